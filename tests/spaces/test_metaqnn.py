"""The MetaQNN space: legal chains, counts, states for Q-learning, dropout by rule, the authors' networks."""

import itertools
import math
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_nas.errors import ArchitectureError, JobError
from lightning_nas.search import Job, run
from lightning_nas.spaces import MetaQnn
from lightning_nas.spaces.metaqnn.grammar import State
from lightning_nas.spaces.metaqnn.network import dropout_rates
from lightning_nas.strategies import Darts, SinglePath
from lightning_nas.tasks.classification.heads import ClassificationHead

SMALL = MetaQnn(filters=(4, 6), kernels=(1, 3), pools=((3, 2), (2, 2)), features=(8, 5), depth=4, image_size=8)
TINY = MetaQnn(filters=(4,), kernels=(1, 3), pools=((3, 2), (2, 2)), features=(8, 5), depth=4, image_size=9)

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


def legal(tokens, space):
    """The rules of the paper, checked on a whole network."""
    size, connected = space.image_size, []
    for place, token in enumerate(tokens):
        kind, *numbers = token.split("_")
        numbers = [int(number) for number in numbers]
        before = tokens[place - 1].split("_")[0] if place else None
        visible = {"bucket": 8 if size > 7 else 4 if size > 3 else 1, "size": size}[space.kernel_limit]
        if (kind == "softmax") != (place == len(tokens) - 1):
            return False
        if kind == "softmax":
            continue
        if before == "gap" or place >= space.depth or (before == "fc" and kind != "fc"):
            return False
        if kind == "conv" and numbers[1] >= visible:
            return False
        if kind == "pool":
            if before in (None, "pool") or numbers[0] >= visible:
                return False
            size = math.ceil((size - numbers[0] + 1) / numbers[1])
        if kind == "fc":
            if len(connected) == space.max_fc or (connected and numbers[0] > connected[-1]):
                return False
            if not connected and size > 7:
                return False
            connected.append(numbers[0])
    return tokens[-1] == "softmax"


def alphabet(space):
    return (
        ["softmax", "gap"]
        + [f"conv_{n}_{k}" for n in space.filters for k in space.kernels]
        + [f"pool_{k}_{s}" for k, s in space.pools]
        + [f"fc_{n}" for n in space.features]
    )


def enumerated(space):
    """All architectures, by following the options."""

    def grow(choices):
        if len(choices) == len(space.decisions):
            yield choices
            return
        name = space.decisions[len(choices)]
        allowed = space.options(name, choices)
        if not allowed:
            yield choices
        for option in allowed:
            yield from grow({**choices, name: option})

    return list(grow({}))


# ---- decisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel_limit", ["bucket", "size"])
@pytest.mark.parametrize("image_size", [3, 5, 9])
@pytest.mark.parametrize("max_fc", [0, 1, 2])
def test_exactly_the_legal_networks_are_members(kernel_limit, image_size, max_fc):
    arguments = {**TINY.args, "kernel_limit": kernel_limit, "image_size": image_size, "max_fc": max_fc, "depth": 3}
    space = MetaQnn(**arguments)
    words = alphabet(space)
    expected = {
        tokens for length in range(1, 5) for tokens in itertools.product(words, repeat=length) if legal(tokens, space)
    }
    found = [tuple(space.tokens(choices)) for choices in enumerated(space)]
    assert set(found) == expected
    assert len(found) == len(expected) == space.size()


def test_count_equals_enumeration_and_an_argument_changes_it():
    for space in (SMALL, TINY):
        every = enumerated(space)
        assert len(every) == space.size()
        for choices in every:
            space.validate(choices)
    # images of 3 pixels: with all maps in the smallest bucket there are no kernels
    three = {**TINY.args, "image_size": 3, "depth": 1}
    assert MetaQnn(**three).size() == 1 + 1 + 2
    assert MetaQnn(**{**three, "kernel_limit": "size"}).size() == 1 + 1 + 2 + 1
    # by hand: nothing but the end; or one layer (2 convolutions of 1 and 3, the global pooling) before it
    assert MetaQnn(filters=(4,), kernels=(1, 3), depth=1).size() == 1 + 2 + 1


def test_count_of_the_published_space():
    """Counted backwards, per kind of the last layer and size of the map, with numbers of choices instead of layers."""
    sizes = range(1, 33)

    def kernels_below(size):
        limit = 8 if size > 7 else 4 if size > 3 else 1
        return [k for k in (1, 3, 5) if k < limit], [(k, s) for k, s in ((5, 3), (3, 2), (2, 2)) if k < limit]

    # After a fully connected layer of rank r (0 the largest) one more of rank r or smaller may follow, then the end.
    conv, pool = dict.fromkeys(sizes, 1), dict.fromkeys(sizes, 1)  # at full depth: the end alone
    for left in range(1, 19):
        more = {}
        for size in sizes:
            kernels, pools = kernels_below(size)
            connected = sum(1 + (3 - rank) * (left >= 2) for rank in range(3)) if size <= 7 else 0
            plain = 1 + 1 + connected + 4 * len(kernels) * conv[size]  # the end, gap, fc, conv
            reduced = sum(pool[math.ceil((size - k + 1) / s)] for k, s in pools)
            more[size] = (plain + reduced, plain)
        conv = {size: both[0] for size, both in more.items()}
        pool = {size: both[1] for size, both in more.items()}
    assert MetaQnn().size() == pool[32]
    assert MetaQnn().size() > 10**19


@pytest.mark.parametrize("kernel_limit", ["bucket", "size"])
def test_no_illegal_transition_is_ever_drawn(kernel_limit):
    space = MetaQnn(kernel_limit=kernel_limit)
    rng = random.Random(0)
    seen, lengths = set(), set()
    parent = space.sample(rng)
    for _ in range(300):
        drawn = space.sample(rng)
        for choices in (drawn, space.mutate(drawn, rng), space.crossover(parent, drawn, rng)):
            tokens = space.tokens(choices)
            assert legal(tokens, space), tokens
            seen |= set(tokens)
            lengths.add(len(tokens))
        parent = drawn
    assert seen == set(alphabet(space))
    assert max(lengths) > 10


def test_every_network_ends_after_at_most_18_layers():
    space = MetaQnn()
    assert len(space.decisions) == 19
    choices = {f"layer.{place}": "conv_64_3" for place in range(18)}
    assert space.options("layer.18", choices) == ["softmax"]
    space.validate({**choices, "layer.18": "softmax"})
    assert space.options("layer.0", {})[0] == "softmax"
    with pytest.raises(ArchitectureError, match=r"layer\.2.*inactive"):
        space.validate({"layer.0": "conv_64_3", "layer.1": "softmax", "layer.2": "softmax"})
    with pytest.raises(ArchitectureError, match=r"layer\.1.*not allowed"):
        space.validate({"layer.0": "gap", "layer.1": "conv_64_3"})
    with pytest.raises(ArchitectureError, match=r"layer\.0.*not allowed"):
        space.validate({"layer.0": "pool_2_2", "layer.1": "softmax"})


def test_all_options_are_those_that_occur():
    every = enumerated(SMALL)
    for name in SMALL.decisions:
        assert set(SMALL.all_options(name)) == {choices[name] for choices in every if name in choices}


def test_neighbours_that_add_a_layer_end_after_it():
    neighbours = SMALL.neighbours(SMALL.from_tokens(["conv_4_3"]))
    assert {**SMALL.from_tokens(["conv_4_3", "pool_2_2"])} in neighbours
    assert max(len(choices) for choices in neighbours) == 3


# ---- states ---------------------------------------------------------------------------------------------------------


def test_state_of_a_prefix():
    space = MetaQnn()
    assert space.state({}) == State("start", 0, 0, 0, 0, 8, 0, False)
    choices = space.from_tokens(["conv_64_5", "pool_5_3", "conv_128_3", "pool_3_2", "fc_256", "fc_128"])
    states = []
    for length in range(len(choices) + 1):
        states.append(space.state(dict(list(choices.items())[:length])))
    assert states[1:] == [
        State("conv", 1, 64, 5, 1, 8, 0, False),
        State("pool", 2, 0, 5, 3, 8, 0, False),  # 10 pixels
        State("conv", 3, 128, 3, 1, 8, 0, False),
        State("pool", 4, 0, 3, 2, 4, 0, False),  # 4 pixels
        State("fc", 5, 0, 0, 0, 1, 256, False),
        State("fc", 6, 1, 0, 0, 1, 128, False),
        State("fc", 7, 1, 0, 0, 1, 128, True),
    ]
    assert len(set(states)) == len(states)
    with pytest.raises(ArchitectureError, match="not allowed"):
        space.state({"layer.0": "pool_2_2"})
    with pytest.raises(ArchitectureError, match="first 1 layers"):
        space.state({"layer.1": "conv_64_3"})


def prefixes(space):
    found = {(): {}}
    for choices in enumerated(space):
        items = list(choices.items())
        for length in range(1, len(items) + 1):
            found[tuple(items[:length])] = dict(items[:length])
    return list(found.values())


@pytest.mark.parametrize(("kernel_limit", "markov"), [("bucket", True), ("size", False)])
def test_the_options_follow_from_the_state_where_limits_do(kernel_limit, markov):
    space = MetaQnn(**{**TINY.args, "kernels": (1, 3, 5), "kernel_limit": kernel_limit, "image_size": 12})
    actions = {}
    for prefix in prefixes(space):
        if len(prefix) < len(space.decisions):
            options = tuple(space.options(space.decisions[len(prefix)], prefix))
            actions.setdefault(space.state(prefix), set()).add(options)
    assert all(len(sets) == 1 for sets in actions.values()) == markov
    assert all(sets == {()} for state, sets in actions.items() if state.terminated)


# ---- networks -------------------------------------------------------------------------------------------------------


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


# ---- no supernet ----------------------------------------------------------------------------------------------------


def test_there_is_no_supernet():
    with pytest.raises(ValueError, match="strategy=random"):
        SMALL.supernet()
    with pytest.raises(ValueError, match="no supernet"):
        SMALL.decode({})


@pytest.mark.parametrize("strategy", [Darts(), SinglePath()])
def test_a_search_that_trains_a_supernet_is_refused_before_any_work(strategy, tmp_path):
    """There is no data and no Trainer here: nothing was asked for them."""
    with pytest.raises(JobError, match=f"'metaqnn' has no supernet.*{type(strategy).__name__}"):
        run(strategy, Job(SMALL, datamodule=None, make_task=None, folder=tmp_path))
    assert not list(tmp_path.iterdir())


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"filters": ()}, "filters"),
        ({"filters": 64}, "filters must be a list"),
        ({"filters": (64, 64)}, "filters must be without repeats"),
        ({"filters": (64, True)}, "filters must hold"),
        ({"kernels": (1, 2)}, "kernels must be odd"),
        ({"kernels": "135"}, "kernels"),
        ({"pools": ((2, 3),)}, "stride must be at most"),
        ({"pools": (2, 2, 3)}, "pools"),
        ({"pools": ((2, 1),)}, "pools must hold pairs"),
        ({"pools": ((2, 2, 2),)}, "pools must hold pairs"),
        ({"features": (0,)}, "features"),
        ({"max_fc": -1}, "max_fc"),
        ({"depth": 0}, "depth"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 32.0}, "image_size"),
        ({"in_channels": 0}, "in_channels"),
        ({"kernel_limit": "map"}, r"kernel_limit must be one of \['bucket', 'size'\]"),
        ({"batch_norm": 1}, "batch_norm"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        MetaQnn(**arguments)
