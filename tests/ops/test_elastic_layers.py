"""Layers that are cut down while they run compute what plain layers with the cut tensors compute."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.elastic import (
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticGroupNorm,
    ElasticLinear,
    cut,
)
from lightning_nas.ops.layers.same_padding import SameConv2d


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_slice_of_a_convolution_equals_the_plain_one(kernel: int, stride: int, dilation: int) -> None:
    layer = ElasticConv2d(6, 8, 5, kernels=(1, 3, 5), stride=stride, padding=2 * dilation, dilation=dilation)
    layer.active_out, layer.active_kernel = 4, kernel
    plain = nn.Conv2d(3, 4, kernel, stride, dilation * (kernel // 2), dilation)
    plain.load_state_dict(cut(layer, plain.state_dict()))
    x = torch.randn(2, 3, 9, 11)
    assert_close(layer(x), plain(x))


@pytest.mark.parametrize("transform", [False, True])
def test_a_depthwise_convolution_follows_its_input(transform: bool) -> None:
    layer = ElasticConv2d(6, 6, 5, kernels=(3,), kernel_transform=transform, padding=2, groups=6, bias=False)
    layer.active_kernel = 3
    plain = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
    plain.load_state_dict(cut(layer, plain.state_dict()))
    x = torch.randn(2, 4, 7, 7)
    assert_close(layer(x), plain(x))


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_of_tensorflow_follows_the_kernel(size: int, stride: int) -> None:
    layer = ElasticConv2d(4, 4, 5, kernels=(3,), stride=stride, groups=4, same=True)
    layer.active_kernel = 3
    plain = SameConv2d(4, 4, 3, stride, groups=4)
    plain.load_state_dict(cut(layer, plain.state_dict()))
    x = torch.randn(1, 4, size, size)
    assert layer(x).shape[-1] == -(-size // stride)
    assert_close(layer(x), plain(x))


def test_the_largest_is_the_plain_layer_bit_for_bit() -> None:
    layer = ElasticConv2d(6, 8, 5, kernels=(3,), kernel_transform=True, padding=2)
    plain = nn.Conv2d(6, 8, 5, padding=2)
    missing = layer.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(1, 6, 8, 8)
    assert missing.missing_keys == ["transforms.3"]
    assert torch.equal(layer(x), plain(x))


def test_smaller_kernels_are_learnt_maps_of_the_centre_of_the_next_larger_one() -> None:
    layer = ElasticConv2d(2, 2, 7, kernels=(3, 5, 7), kernel_transform=True, padding=3, groups=2, bias=False)
    assert {name: tuple(m.shape) for name, m in layer.transforms.items()} == {"5": (25, 25), "3": (9, 9)}
    assert torch.equal(layer.kernel(3, 2, 1), layer.weight[:, :, 2:5, 2:5])  # identities at the start
    m75, m53 = torch.randn(25, 25), torch.randn(9, 9)
    with torch.no_grad():
        layer.transforms["5"].copy_(m75)
        layer.transforms["3"].copy_(m53)
    for channel in range(2):
        five = (m75 @ layer.weight[channel, 0, 1:6, 1:6].reshape(25)).reshape(5, 5)
        three = (m53 @ five[1:4, 1:4].reshape(9)).reshape(3, 3)
        assert_close(layer.kernel(5, 2, 1)[channel, 0], five)
        assert_close(layer.kernel(3, 2, 1)[channel, 0], three)


def test_the_maps_of_kernels_are_trained() -> None:
    layer = ElasticConv2d(2, 2, 7, kernels=(3, 5), kernel_transform=True, padding=3, groups=2)
    layer.active_kernel = 5
    layer(torch.randn(1, 2, 7, 7)).sum().backward()
    assert layer.transforms["5"].grad is not None
    assert layer.transforms["3"].grad is None  # not used by a kernel of 5


def test_gradients_reach_the_slice_and_nothing_else() -> None:
    layer = ElasticConv2d(6, 8, 5, kernels=(3,), padding=2)
    layer.active_out, layer.active_kernel = 4, 3
    layer(torch.randn(2, 3, 8, 8)).square().sum().backward()
    used = torch.zeros_like(layer.weight, dtype=torch.bool)
    used[:4, :3, 1:4, 1:4] = True
    assert layer.weight.grad is not None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    assert torch.equal(layer.weight.grad != 0, used)
    assert torch.equal(layer.bias.grad != 0, torch.arange(8) < 4)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_slice_of_batchnorm_equals_the_plain_one_in_training_and_evaluation(momentum: float | None) -> None:
    layer, plain = ElasticBatchNorm2d(8, momentum=momentum), nn.BatchNorm2d(4, momentum=momentum)
    nn.init.normal_(layer.weight)
    plain.load_state_dict(cut(layer, plain.state_dict()))
    for _ in range(3):
        x = torch.randn(4, 4, 5, 5) + 2
        assert_close(layer(x), plain(x))
    assert layer.running_mean is not None
    assert plain.running_mean is not None
    assert_close(layer.running_mean[:4], plain.running_mean)
    assert torch.equal(layer.running_mean[4:], torch.zeros(4))  # channels that were not there keep their statistics
    layer.eval()
    plain.eval()
    assert_close(layer(x), plain(x))


def test_a_slice_of_groupnorm_is_normalised_as_that_of_the_cut_network() -> None:
    layer, plain = ElasticGroupNorm(4, 16), nn.GroupNorm(2, 8)
    nn.init.normal_(layer.weight)
    plain.load_state_dict(cut(layer, plain.state_dict()))
    x = torch.randn(2, 16, 5, 5)
    assert_close(layer(x[:, :8]), plain(x[:, :8]))
    assert_close(layer(x), functional.group_norm(x, 4, layer.weight, layer.bias))
    with pytest.raises(ArgumentError, match="6 channels: expected a multiple of the 4"):
        layer(x[:, :6])


def test_a_slice_of_a_linear_layer_equals_the_plain_one() -> None:
    layer, plain = ElasticLinear(6, 5), nn.Linear(4, 3)
    layer.active_out = 3
    plain.load_state_dict(cut(layer, plain.state_dict()))
    x = torch.randn(2, 4)
    assert_close(layer(x), plain(x))


def test_what_is_cut_is_a_copy() -> None:
    layer = ElasticConv2d(4, 4, 3)
    taken = cut(layer, nn.Conv2d(2, 2, 3).state_dict())
    taken["weight"].zero_()
    assert bool((layer.weight != 0).any())


def test_a_network_that_is_larger_cannot_be_cut_out() -> None:
    with pytest.raises(
        ArgumentError, match=r"weight has the shape \(9, 4, 3, 3\), the elastic network's is \(8, 4, 3, 3\)"
    ):
        cut(ElasticConv2d(4, 8, 3), nn.Conv2d(4, 9, 3).state_dict())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 2}, "groups must be 1, or equal"),
        ({"kernels": (2,)}, "kernels must be odd"),
        ({"kernels": (7,)}, "kernels must be odd"),
    ],
)
def test_a_layer_that_cannot_be_sliced_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ElasticConv2d(4, 4, 5, **arguments)  # type: ignore[arg-type]
