"""The MetaQNN space: legal chains, counts, states for Q-learning."""

import itertools
import math
import random

import pytest
from metaqnn_chains import SMALL, TINY, alphabet, enumerated, legal

from lightning_nas.errors import ArchitectureError, JobError
from lightning_nas.search import Job, run
from lightning_nas.spaces import MetaQnn
from lightning_nas.spaces.metaqnn.grammar import State
from lightning_nas.strategies import Darts, SinglePath

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
