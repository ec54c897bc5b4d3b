"""The two forms of the DARTS supernet compute the same: outputs, gradients, running statistics."""

import copy
import io
import pickle
import random

import pytest
import torch
from torch import nn

from lightning_nas.ops import SeparableConv
from lightning_nas.spaces import Darts
from lightning_nas.spaces.supernet import OptionWeights


def pair(dtype=torch.float64, **arguments):
    """The same supernet in both forms, with logits far from uniform."""
    torch.manual_seed(0)
    textbook = Darts(**{"channels": 4, "cells": 3, **arguments}).supernet().to(dtype)
    with torch.no_grad():
        for group in textbook.logits.values():
            group.copy_(torch.randn(group.shape))
    fused = copy.deepcopy(textbook)
    textbook.set_form("textbook")
    fused.set_form("fused")
    return textbook, fused


def images(size, dtype=torch.float64, batch=3):
    shape = (size, size) if isinstance(size, int) else size
    return torch.randn(batch, 3, *shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def step(net, x):
    net.zero_grad()
    out = net(x)
    generator = torch.Generator().manual_seed(2)
    loss = sum((f * torch.randn(f.shape, generator=generator, dtype=torch.float64).to(f)).sum() for f in out)
    loss.backward()
    return out


def assert_same(textbook, fused, x, tolerance=1e-9, steps=1):
    for _ in range(steps):
        expected, found = step(textbook, x), step(fused, x)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= tolerance * other.norm()
    others = dict(fused.named_parameters())
    for name, p in textbook.named_parameters():
        q = others[name]
        assert (p.grad is None) == (q.grad is None), name
        if p.grad is not None:
            # Biases and weights before a BatchNorm may have a gradient that is zero up to rounding.
            assert (p.grad - q.grad).norm() <= tolerance * (p.grad.norm() + 1e-3), name
    buffers = dict(fused.named_buffers())
    for name, buffer in textbook.named_buffers():
        torch.testing.assert_close(buffers[name], buffer, rtol=tolerance, atol=tolerance, msg=name)


# ---- equality -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("stem", "size"), [("cifar", 8), ("cifar", 11), ("cifar", (9, 12)), ("imagenet", 40)])
def test_forms_are_equal(stem, size, training):
    """Normal and reduction cells (three cells hold both), several steps of the running statistics."""
    textbook, fused = pair(stem=stem)
    textbook.train(training)
    fused.train(training)
    assert_same(textbook, fused, images(size), steps=2)


def test_evaluation_after_training_is_equal():
    textbook, fused = pair()
    x = images(8)
    for _ in range(3):
        step(textbook, x)
        step(fused, x)
    textbook.eval()
    fused.eval()
    assert_same(textbook, fused, x)


def test_forms_are_equal_in_single_precision():
    textbook, fused = pair(torch.float32)
    assert_same(textbook, fused, images(16, torch.float32), tolerance=1e-3)


@pytest.mark.parametrize(
    "ops", [("none", "skip_connect"), ("sep_conv_7x7", "conv_7x1_1x7", "bottleneck_1x7_7x1"), ("nor_conv_3x3",)]
)
def test_other_candidates_are_equal(ops):
    textbook, fused = pair(ops=ops)
    assert_same(textbook, fused, images(9))


def test_two_channels_and_one_image():
    textbook, fused = pair(channels=2)
    assert_same(textbook, fused, images(8, batch=1))


def test_a_map_of_one_pixel_is_refused_as_by_batch_norm():
    textbook, fused = pair()
    for net in (textbook, fused):
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            net(images(2, batch=1))


# ---- paths ----------------------------------------------------------------------------------------------------------


def test_one_active_path_is_equal():
    textbook, fused = pair()
    for seed in range(3):
        choices = textbook.space.sample(random.Random(seed))
        textbook.activate(choices)
        fused.activate(choices)
        assert_same(textbook, fused, images(8))


def test_drawn_options_get_their_straight_through_gradient():
    """As GDAS does it: one option per edge, some nodes with nothing but ``none``."""
    textbook, fused = pair()

    seed = 0

    def draw(logits):
        drawn = {}
        for name, group in logits.items():
            index = torch.randint(group.shape[1], (group.shape[0],), generator=torch.Generator().manual_seed(seed))
            index[:2] = 0  # nothing enters the first node
            soft = group.softmax(dim=-1)
            hard = nn.functional.one_hot(index, group.shape[1]).to(group)
            drawn[name] = OptionWeights(hard - soft.detach() + soft, tuple((int(i),) for i in index))
        return drawn

    textbook.relaxation = fused.relaxation = draw
    for seed in range(3):  # noqa: B007 - draw reads it
        assert_same(textbook, fused, images(8))
    assert fused.logits["normal"].grad.abs().sum() > 0


# ---- frozen parts ---------------------------------------------------------------------------------------------------


def test_frozen_weights_leave_the_gradients_of_the_logits():
    textbook, fused = pair()
    for net in (textbook, fused):
        for p in net.weights().values():
            p.requires_grad_(False)
    assert_same(textbook, fused, images(8))
    assert all(p.grad is None for p in fused.weights().values())


def test_frozen_logits_leave_the_gradients_of_the_weights():
    textbook, fused = pair()
    for net in (textbook, fused):
        for p in net.logits.values():
            p.requires_grad_(False)
    assert_same(textbook, fused, images(8))
    assert all(p.grad is None for p in fused.logits.values())


# ---- modules that somebody changed ----------------------------------------------------------------------------------


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
    textbook, fused = pair()
    x = images(8)
    before = fused(x)[-1]
    fused.load_state_dict(textbook.state_dict())
    for net in (textbook, fused):
        torch.manual_seed(3)
        change(net)
    assert_same(textbook, fused, x)
    if change is not set_momentum:
        assert not torch.allclose(fused(x)[-1], before)


# ---- precision, copies, choice of the form --------------------------------------------------------------------------


def test_autocast_gives_the_same_up_to_its_rounding():
    textbook, fused = pair(torch.float32)
    exact = copy.deepcopy(textbook)
    x = images(16, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, found = step(textbook, x), step(fused, x)
    expected = step(exact, x)
    for one, other, true in zip(found, rounded, expected, strict=True):
        assert one.dtype == other.dtype
        assert (one.float() - true).norm() <= 1.5 * (other.float() - true).norm()
    errors = {"textbook": 0.0, "fused": 0.0}
    for name, p in exact.named_parameters():
        for form, net in (("textbook", textbook), ("fused", fused)):
            grad = net.get_parameter(name).grad
            assert grad.dtype == torch.float32
            errors[form] += float((grad - p.grad).square().sum())
    assert errors["fused"] <= 1.2 * errors["textbook"]


def test_forms_have_one_state_and_survive_copies():
    textbook, fused = pair()
    assert list(textbook.state_dict()) == list(fused.state_dict())
    x = images(8)
    step(fused, x)
    textbook.load_state_dict(fused.state_dict())
    file = io.BytesIO()
    torch.save(fused, file)
    file.seek(0)
    for twin in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused)), torch.load(file, weights_only=False)):
        assert twin.form == "fused"
        assert_same(textbook, twin, x)
        textbook.load_state_dict(fused.state_dict())


def test_second_derivatives_need_the_textbook_form():
    textbook, fused = pair()
    logits = fused.logits["normal"]
    with pytest.raises(RuntimeError, match=r"set_form\('textbook'\)"):
        torch.autograd.grad(fused(images(8))[-1].square().sum(), logits, create_graph=True)
    logits = textbook.logits["normal"]
    first = torch.autograd.grad(textbook(images(8))[-1].square().sum(), logits, create_graph=True)[0]
    assert torch.autograd.grad(first.square().sum(), logits)[0].abs().sum() > 0


def test_form_is_fused_unless_asked_otherwise():
    net = Darts(channels=4, cells=3).supernet()
    assert net.form == "fused"
    net.set_form("textbook")
    assert net.form == "textbook"
    assert {cell.form for cell in net.macro.cells} == {"textbook"}
    with pytest.raises(ValueError, match=r"form must be 'fused' or 'textbook', got 'fast'"):
        net.set_form("fast")
