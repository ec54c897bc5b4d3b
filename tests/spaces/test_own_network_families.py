"""Networks of torchvision and timm, made elastic as they come."""

import random

import pytest
import torch
import torchvision
from own_networks import lively
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

import lightning_nas

TORCHVISION = {
    "resnet18": (torchvision.models.resnet18, 12, 5),
    "resnet50": (torchvision.models.resnet50, 37, 12),
    "mobilenet_v3": (torchvision.models.mobilenet_v3_small, 27, 6),
    "regnet": (torchvision.models.regnet_x_400mf, 49, 18),
    "convnext": (lambda: ConvNeXt([CNBlockConfig(16, 32, 2), CNBlockConfig(32, None, 2)]), 6, 4),
    "densenet": (lambda: torchvision.models.DenseNet(8, (3, 3), 16), 14, 0),
}
TIMM = {
    "efficientnet_lite0": ({}, 24, 9),
    "convnext_atto": ({"depths": (1, 1, 1, 1)}, 8, 4),
    "vit_tiny_patch16_224": ({"img_size": 64, "depth": 2}, 3, 2),
}


def check(model, groups, blocks, size=32):
    """The full network stays; parts at random and both ends are what is cut out."""
    model = lively(model)
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(x)
        net = lightning_nas.elastic(model, x[:1])
        assert torch.equal(net(x), before)
        assert (len(net.space.groups), len(net.space.blocks)) == (groups, blocks)
        for choices in (net.space.smallest(), net.space.largest(), net.space.sample(random.Random(0))):
            net.activate(choices)
            torch.testing.assert_close(net.network(choices)(x), net(x), rtol=0, atol=1e-5)
        net.activate(None)
        assert torch.equal(net(x), before)
    return net


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_network_of_torchvision(name):
    torch.manual_seed(0)
    make, groups, blocks = TORCHVISION[name]
    assert check(make(), groups, blocks).fixed == {}


@pytest.mark.parametrize("name", TIMM)
def test_a_network_of_timm(name):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    arguments, groups, blocks = TIMM[name]
    net = check(timm.create_model(name, **arguments), groups, blocks, arguments.get("img_size", 32))
    assert all(layer.endswith("attn.qkv") and "queries" in reason for layer, reason in net.fixed.items())


def test_a_network_that_torch_pruning_cannot_follow_is_refused_by_name():
    with pytest.raises(lightning_nas.errors.ArgumentError, match=r"dependencies of ShuffleNetV2 cannot be traced"):
        lightning_nas.elastic(torchvision.models.shufflenet_v2_x0_5(), torch.rand(1, 3, 64, 64))
