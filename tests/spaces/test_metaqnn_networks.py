"""Networks of the MetaQNN space: the authors', dropout by rule, what is computed."""

import math
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_nas.spaces import MetaQnn
from lightning_nas.spaces.metaqnn.network import dropout_rates
from lightning_nas.tasks.classification.heads import ClassificationHead

# The networks that the authors retrained on CIFAR-10, and the dropout rates in their definitions.
PUBLISHED = {
    "conv_128_5 conv_512_3 pool_2_2 conv_128_1 conv_128_5 pool_3_2 conv_512_3": {1: 0.125, 3: 0.25, 5: 0.375},
    "conv_256_3 conv_128_1 conv_128_3 conv_128_3 pool_5_3 conv_128_3": {1: 1 / 6, 3: 1 / 3, 5: 0.5},
    "conv_64_3 conv_128_3 pool_5_3 conv_256_3 pool_3_2 fc_512 fc_128": {1: 0.1, 3: 0.2, 5: 0.3, 6: 0.4},
    "conv_64_5 conv_512_3 conv_512_1 conv_64_1 conv_128_5 pool_3_2 conv_512_5 conv_512_3 pool_5_3": {
        1: 0.1,
        3: 0.2,
        5: 0.3,
        7: 0.4,
    },
    "conv_128_5 conv_512_3 pool_2_2 conv_128_1 conv_128_5 pool_3_2": {1: 1 / 6, 3: 1 / 3, 5: 0.5},
    "conv_64_3 conv_64_3 pool_5_3 conv_256_3 conv_128_5": {1: 1 / 6, 3: 1 / 3},
}


@pytest.mark.parametrize("text", PUBLISHED)
def test_networks_of_the_authors_are_members_with_their_dropout(text):
    for limit in ("bucket", "size"):
        choices = MetaQnn(kernel_limit=limit).from_tokens(text.split())
    rates = dropout_rates([*text.split(), "softmax"])
    assert {place: rate for place, rate in enumerate(rates) if rate} == pytest.approx(PUBLISHED[text])
    network = MetaQnn().network(choices)
    found = {
        place: part.p for place, layer in enumerate(network.layers) for part in layer if isinstance(part, nn.Dropout)
    }
    assert found == pytest.approx(PUBLISHED[text])


def test_parameters_of_an_authors_network_by_hand():
    space = MetaQnn()
    network = space.network(space.from_tokens(list(PUBLISHED)[2].split()))
    expected = (
        (3 * 9 + 1) * 64 + (64 * 9 + 1) * 128 + (128 * 9 + 1) * 256 + (256 * 16 + 1) * 512 + (512 + 1) * 128
    )  # maps of 32, 10 and 4 pixels
    assert sum(p.numel() for p in network.parameters()) == expected
    assert network.feature_info.channels() == [128, 256, 256, 128]
    assert network.feature_info.reduction() == [1, 3, 8, 32]


def test_a_network_computes_its_layers():
    """Written out with functions, fully connected layers as such."""
    torch.manual_seed(0)
    space = MetaQnn(filters=(4, 6), features=(8, 5), image_size=18)
    network = space.network(space.from_tokens(["conv_4_5", "pool_5_3", "conv_6_1", "fc_8", "fc_5"]))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(3, 3, 18, 18)
    p = [parameter.detach() for parameter in network.parameters()]
    network.eval()
    first = F.relu(F.conv2d(x, p[0], p[1], padding=2))
    small = F.relu(F.conv2d(F.max_pool2d(first, 5, 3), p[2], p[3]))
    assert small.shape == (3, 6, 5, 5)
    connected = F.relu(F.linear(small.flatten(1), p[4].flatten(1), p[5]))
    expected = F.relu(F.linear(connected, p[6].flatten(1), p[7]))
    maps = network(x)
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 18, 18), (6, 5, 5), (5, 1, 1)]
    for found, wanted in zip(maps, (first, small, expected[:, :, None, None]), strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("end", [[], ["gap"], ["fc_8"]])
def test_the_head_of_a_classifier_is_the_softmax_layer(end):
    """Without the global pooling, it has a weight for every number of the last map."""
    torch.manual_seed(0)
    space = MetaQnn(filters=(4, 6), features=(8,), image_size=16)
    body = ["conv_4_3", "pool_3_2", "conv_6_3"]
    network = space.network(space.from_tokens([*body, *end])).eval()
    head = ClassificationHead(network.feature_info.channels()[-1], 10)
    x = torch.randn(2, 3, 16, 16)
    last = x
    for layer in network.layers[:3]:
        last = layer(last)
    assert last.shape[1:] == (6, 7, 7)
    weight, bias = head.linear.weight, head.linear.bias
    if end == ["gap"]:
        expected = F.linear(F.adaptive_avg_pool2d(last, 1).flatten(1), weight, bias)
    elif end:
        expected = F.linear(network.layers[3](last).flatten(1), weight, bias)
    else:
        assert weight.shape == (10, 6 * 7 * 7)
        expected = F.linear(last.flatten(1), weight, bias)
    torch.testing.assert_close(head(network(x)), expected)


def test_a_network_may_be_the_softmax_layer_alone():
    space = MetaQnn()
    network = space.network({"layer.0": "softmax"})
    assert not list(network.parameters())
    assert (network.feature_info.channels(), network.feature_info.reduction()) == ([3 * 32 * 32], [32])
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network(x)[0].flatten(1), x.flatten(1))
    averaged = space.network(space.from_tokens(["gap", "softmax"]))
    assert (averaged.feature_info.channels(), averaged.feature_info.reduction()) == ([3], [1])


def test_maps_have_the_sizes_that_states_count():
    space = MetaQnn(filters=(2, 3), features=(4,), kernel_limit="size")
    rng = random.Random(1)
    reductions = set()
    for _ in range(40):
        choices = space.sample(rng)
        network = space.network(choices).eval()
        x = torch.randn(1, 3, 32, 32)
        states = list(space.grammar.states(space.tokens(choices)))
        for layer, state in zip(network.layers, states[1:], strict=False):
            x = layer(x)
            assert x.shape[2:] == (state.size, state.size)
            assert x.shape[1] == {"conv": state.filters, "fc": state.features}.get(state.layer, x.shape[1])
        reductions |= set(network.feature_info.reduction())
    assert {1, 2, 3, 32} <= reductions


def test_every_weight_gets_a_gradient_and_starts_as_in_caffe():
    torch.manual_seed(0)
    space = MetaQnn(in_channels=1, image_size=18)
    network = space.network(space.from_tokens(["conv_64_5", "pool_5_3", "conv_128_1", "fc_128"]))
    for layer, fan_in in ((network.layers[0], 25), (network.layers[2], 64), (network.layers[3], 128 * 25)):
        weight = layer[0].weight
        assert weight.var().item() == pytest.approx(1 / fan_in, rel=0.15)
        assert weight.abs().max().item() <= math.sqrt(3 / fan_in)
        assert not layer[0].bias.any()
    network(torch.randn(4, 1, 18, 18))[-1].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())


def test_batch_norm_stands_after_convolutions_and_before_poolings():
    space = MetaQnn(filters=(4,), features=(8,), image_size=8, batch_norm=True)
    kinds = [
        [type(part).__name__ for part in layer]
        for layer in space.network(space.from_tokens(["conv_4_3", "pool_2_2", "fc_8"])).layers
    ]
    assert kinds == [
        ["Conv2d", "BatchNorm2d", "ReLU"],
        ["BatchNorm2d", "MaxPool2d", "Dropout"],
        ["Conv2d", "ReLU", "Dropout"],
    ]


def test_images_of_another_size_are_refused():
    network = MetaQnn().network(MetaQnn().from_tokens(["conv_64_3"]))
    with pytest.raises(ValueError, match="image_size, got 16x32"):
        network(torch.randn(1, 3, 16, 32))
