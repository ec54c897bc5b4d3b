"""Necks drawn by hand."""

import itertools

import pytest
import torch
from torch import nn

from lightning_nas.architecture import Architecture
from lightning_nas.spaces import BiFpn, Chain, FeatureInfo, FeatureLevel, Fpn, Panet, Product, from_architecture
from lightning_nas.spaces.necks.fixed.network import BiFpnLayer, WeightedSum

INFO = FeatureInfo((FeatureLevel(6, 4), FeatureLevel(3, 8), FeatureLevel(4, 16), FeatureLevel(5, 32)))
TINY = {"stem_channels": 4, "first_channels": 4, "widths": (4, 6, 8, 8), "depths": (1,) * 4, "strides": (2,) * 4}


def maps():
    torch.manual_seed(0)
    return [torch.randn(1, level.channels, 128 // level.reduction, 128 // level.reduction) for level in INFO]


def test_fpn_is_torchvisions_and_its_coarser_levels_are_retinanets():
    network = Fpn(channels=8).network({}, inputs=INFO)
    x = maps()
    inner = [block(feature) for block, feature in zip(network.fpn.inner_blocks, x[1:], strict=True)]
    for fine in (1, 0):
        inner[fine] = inner[fine] + inner[fine + 1].repeat_interleave(2, -1).repeat_interleave(2, -2)
    expected = [block(feature) for block, feature in zip(network.fpn.layer_blocks, inner, strict=True)]
    first, second = network.fpn.extra_blocks.convs
    expected += [first(expected[-1])]
    expected += [second(expected[-1].relu())]
    for ours, theirs in zip(network(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_pooled_levels_are_every_second_value_and_have_no_weights():
    network = Fpn(channels=8, min_level=2, max_level=7, extra="pool").network({}, inputs=INFO)
    result = network(maps())
    assert network.feature_info.reduction() == [4, 8, 16, 32, 64, 128]
    assert [tuple(level.shape[2:]) for level in result] == [(128 // stride,) * 2 for stride in (4, 8, 16, 32, 64, 128)]
    for finer, coarser in itertools.pairwise(result[3:]):
        assert torch.equal(coarser, finer[:, :, ::2, ::2])
    plain = Fpn(channels=8, min_level=2, max_level=5).network({}, inputs=INFO)
    assert list(network.state_dict()) == list(plain.state_dict())
    convolved = Fpn(channels=8, min_level=2, max_level=6).network({}, inputs=INFO)
    convolved.load_state_dict(network.state_dict() | convolved.fpn.extra_blocks.state_dict(prefix="fpn.extra_blocks."))
    for ours, theirs in zip(result[:4], convolved(maps()), strict=False):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [(100, 52), (1, 1), (33, 7)])
def test_pooled_levels_have_the_size_of_convolved_ones(size):
    x = [
        torch.randn(1, level.channels, -(-size[0] // level.reduction), -(-size[1] // level.reduction)) for level in INFO
    ]
    shapes = [
        [level.shape for level in Fpn(channels=8, min_level=2, extra=extra).network({}, inputs=INFO)(x)]
        for extra in ("conv", "pool")
    ]
    assert shapes[0] == shapes[1]


def test_a_record_from_before_there_was_a_choice_has_convolved_levels():
    space = Product({"backbone": Chain(**TINY), "neck": Fpn(8)})
    record = space.architecture(space.decode(dict(space.supernet().logits.items()))).to_dict()
    del record["components"]["neck"]["space_args"]["extra"]
    rebuilt, choices = from_architecture(Architecture.from_dict(record))
    assert rebuilt.spaces["neck"] == Fpn(8)
    assert any("extra_blocks.convs" in name for name in rebuilt.network(choices).state_dict())


def test_panet_goes_back_from_fine_to_coarse():
    network = Panet(channels=8).network({}, inputs=INFO)
    pyramid, result = network.pyramid(maps()), network(maps())
    assert torch.equal(result[0], pyramid[0])
    for i in range(4):
        down, fuse = network.down[i][0], network.fuse[i][0]
        expected = fuse(down(result[i]).relu() + pyramid[i + 1]).relu()
        torch.testing.assert_close(result[i + 1], expected)


def test_weighted_sum_normalises_its_positive_weights():
    fuse = WeightedSum(4, 2).eval()
    fuse.conv = nn.Identity()
    with torch.no_grad():
        fuse.weights.copy_(torch.tensor([3.0, -1.0]))
    a, b = torch.randn(1, 4, 3, 3), torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(fuse([a, b]), a * (3 / (3 + 1e-4)))


def test_every_level_of_bifpn_sees_every_other():
    layer = BiFpnLayer(4, 4).eval()
    x = [torch.randn(1, 4, 16 >> i, 16 >> i, requires_grad=True) for i in range(4)]
    for result in layer(x):
        gradients = torch.autograd.grad(result.sum(), x, retain_graph=True)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("space", [Fpn(8), Panet(8), BiFpn(8, repeats=2)], ids=lambda space: space.name)
def test_a_fixed_neck_in_a_product_leaves_the_backbone_to_search(space):
    product = Product({"backbone": Chain(**TINY), "neck": space})
    assert all(name.startswith("backbone/") for name in product.decisions)
    supernet = product.supernet()
    assert all(name.startswith("backbone/") for name in supernet.logits)
    assert supernet.role == "neck"
    choices = product.decode(dict(supernet.logits.items()))
    rebuilt, again = from_architecture(product.architecture(choices))
    network = rebuilt.network(again).eval()
    assert network.feature_info.reduction() == [8, 16, 32, 64, 128]
    assert [f.shape[1:] for f in network(torch.randn(1, 3, 128, 128))] == [(8, 16 >> i, 16 >> i) for i in range(5)]


@pytest.mark.parametrize("space", [Fpn, Panet, BiFpn])
def test_bad_arguments_are_named(space):
    with pytest.raises(ValueError, match="channels"):
        space(channels=0)
    with pytest.raises(ValueError, match="max_level"):
        space(min_level=4, max_level=3)
    with pytest.raises(ValueError, match="inputs = None"):
        space().network({})


def test_other_ways_to_coarser_levels_are_named():
    with pytest.raises(ValueError, match="extra must be one of"):
        Fpn(extra="mean")


def test_bifpn_needs_layers():
    with pytest.raises(ValueError, match="repeats"):
        BiFpn(repeats=0)
