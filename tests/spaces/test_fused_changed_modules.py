"""Modules of a fused supernet that somebody has changed are computed as they are."""

import pytest
import torch
from supernet_forms import assert_same, images, new_pair
from torch import nn

from lightning_nas.ops import SeparableConv


class Doubled(SeparableConv):
    """Looks like a known candidate and computes something else."""

    def forward(self, x):
        return 2 * super().forward(x)


def set_affine(net):
    norm = net.macro.cells[0].edges[0].candidates[4][0].norm = nn.BatchNorm2d(4).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)


def set_evaluation(net):
    net.macro.cells[0].edges[0].candidates[4][1].norm.eval()
    net.macro.cells[0].edges[1].candidates[1][1].eval()


def set_subclass(net):
    net.macro.cells[0].edges[0].candidates[4].__class__ = Doubled


def set_hook(net):
    net.macro.cells[0].edges[0].candidates[6].depthwise.register_forward_hook(lambda module, inputs, out: 3 * out)
    net.macro.cells[1].edges[0].candidates[3].register_forward_hook(lambda module, inputs, out: 3 * out)


def set_hook_on_edge(net):
    net.macro.cells[0].edges[3].register_forward_hook(lambda module, inputs, out: 3 * out)


def set_bias(net):
    net.macro.cells[0].edges[0].candidates[4][1].pointwise = nn.Conv2d(4, 4, 1).double()


def set_momentum(net):
    for module in net.macro.cells.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None


def set_padding_mode(net):
    net.macro.cells[0].edges[1].candidates[5][0].depthwise = nn.Conv2d(
        4, 4, 5, padding=2, groups=4, bias=False, padding_mode="reflect"
    ).double()


class Flipped(nn.Module):
    def forward(self, weight):
        return weight.flip(0)


def set_parametrization(net):
    nn.utils.parametrize.register_parametrization(
        net.macro.cells[0].edges[1].candidates[7].pointwise, "weight", Flipped()
    )


@pytest.mark.parametrize(
    "change",
    [
        set_affine,
        set_evaluation,
        set_subclass,
        set_hook,
        set_hook_on_edge,
        set_bias,
        set_momentum,
        set_padding_mode,
        set_parametrization,
    ],
)
def test_changed_modules_are_computed_as_they_are(change):
    textbook, fused = new_pair(steps=2)
    x = images(8)
    before = fused(x)[-1]
    fused.load_state_dict(textbook.state_dict())
    for net in (textbook, fused):
        torch.manual_seed(3)
        change(net)
    assert_same(textbook, fused, x)
    if change is not set_momentum:
        assert not torch.allclose(fused(x)[-1], before)
