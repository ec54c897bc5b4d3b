"""1x1 convolutions with a stride: values of the library's own, without its gradient where that writes beyond its memory."""

import random

import pytest
import torch
from torch import nn

from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.ops import build_op
from lightning_nas.ops.layers.pointwise import SAFE, PointwiseConv2d, bears_channels_last, padded_conv
from lightning_nas.spaces import Darts, EnasMacro, MultiBranch, NasBench201, NasNet


@pytest.mark.parametrize("channels", [3, SAFE])
@pytest.mark.parametrize("size", [(7, 8), (8, 7), (1, 1)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_values_and_gradients_are_those_of_the_library(channels, size, stride):
    ours = PointwiseConv2d(channels, 5, stride).double()
    theirs = nn.Conv2d(channels, 5, 1, stride).double()
    theirs.load_state_dict(ours.state_dict())
    images = [torch.randn(2, channels, *size, dtype=torch.float64).requires_grad_() for _ in range(2)]
    images[1].data.copy_(images[0])
    for conv, x in zip((ours, theirs), images, strict=True):
        (conv(x) ** 3).sum().backward()
    torch.testing.assert_close(ours(images[0]), theirs(images[1]))
    torch.testing.assert_close(images[0].grad, images[1].grad)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_few_channels_are_never_left_to_the_library(monkeypatch):
    """Pixels are picked first, so that what remains has no stride."""
    strides = []
    original = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *args: strides.append(args[3:4]) or original(*args))
    PointwiseConv2d(SAFE - 1, 4, 2)(torch.randn(1, SAFE - 1, 8, 8))
    assert strides == [()]


@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (1, 2, 1), (1, 2, 4), (3, 2, 1), (5, 1, 4)])
def test_the_size_is_kept_at_stride_1(kernel, stride, groups):
    conv = padded_conv(4, 8, kernel, stride, groups=groups)
    assert conv(torch.zeros(1, 4, 9, 9)).shape == (1, 8, -(-9 // stride), -(-9 // stride))
    assert isinstance(conv, PointwiseConv2d) == ((kernel, stride, groups) == (1, 2, 1))


@pytest.mark.parametrize(
    "space",
    [
        Darts(channels=4, cells=3, stem="stride4"),
        NasBench201(channels=4, cells=1),
        NasNet(channels=4, cells=1, stem="cifar"),
        EnasMacro(channels=4, layers=6),
        MultiBranch(stem_channels=4, widths=(4, 8), branch_channels=(8, 8), depths=(1, 1), strides=(2, 2)),
    ],
    ids=lambda space: space.name,
)
def test_no_network_or_supernet_has_one_that_goes_wrong(space):
    assert bears_channels_last(space.supernet())
    assert bears_channels_last(space.network(space.sample(random.Random(0))))


def test_networks_made_by_hand_and_operations_bear_it():
    assert bears_channels_last(ResidualBackbone(4, (2, 4, 8)))
    for name in ("projection", "nor_conv_1x1", "skip_connect", "mbconv_k3_e3"):
        assert bears_channels_last(build_op(name, 4, 8, stride=2)), name


@pytest.mark.parametrize(("channels", "bears"), [(SAFE // 2, False), (SAFE, True)])
def test_a_users_own_convolution_is_seen(channels, bears):
    assert bears_channels_last(nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 4, 1, 2))) == bears
