"""The NASNet space: found networks, mutation, arguments."""

import collections
import random

import pytest
import torch
from cell_networks import randomised, textbook, unread
from nasnet_cells import OPS, SMALL, images

from lightning_nas.cost import count_parameters
from lightning_nas.ops import DropPath
from lightning_nas.spaces import NasNet
from lightning_nas.spaces.nasnet.space import AMOEBANET_OPS

# ---- found networks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_network_computes_what_its_decisions_say(seed):
    torch.manual_seed(seed)
    space = NasNet(**SMALL)
    choices = space.sample(random.Random(seed))
    network = randomised(space.network(choices), seed)
    with torch.no_grad():
        features = network(images())
        torch.testing.assert_close(features[-1], textbook(space, choices, network, images()))
    widths = [len(unread(space, choices, kind)) * 4 * scale for kind, scale in (("normal", 1), ("reduce", 4))]
    assert features[0].shape[1] == widths[0]
    assert network.feature_info.channels()[0] == widths[0]


def test_unread_inputs_are_concatenated_and_halved_in_reduction_cells():
    space = NasNet(channels=4, cells=3, blocks=1, ops=OPS)
    reads_the_newer = {name: 1 if "input" in name else "skip_connect" for name in space.decisions}
    network = space.network(reads_the_newer)
    assert space.kept(reads_the_newer, "reduce") == (0, 2)
    assert [sorted(cell.outcome.halve) for cell in network.macro.cells] == [[], ["0"], ["0"]]
    assert network.feature_info.channels() == [8, 16, 32]


def test_a_given_concatenation_overrides_the_rule():
    space = NasNet(**SMALL, normal_concat=[1, 2], reduce_concat=(0, 3, 4))
    choices = space.sample(random.Random(0))
    assert (space.kept(choices, "normal"), space.kept(choices, "reduce")) == ((1, 2), (0, 3, 4))
    found, supernet = space.network(choices), space.supernet()
    assert found.feature_info == supernet.feature_info
    assert found.feature_info.channels() == [8, 24, 32]  # cells: normal, reduce, reduce, normal
    assert len(found.feature_info) == 3


def test_operations_of_a_block_commute():
    space = NasNet(**SMALL)
    choices = space.sample(random.Random(1))
    swapped = {name: choices[name[:-1] + str(1 - int(name[-1]))] for name in space.decisions}
    assert swapped != choices
    assert space.canonical(swapped) == space.canonical(choices)
    name = "reduce.4.op1"
    assert space.canonical(choices | {name: next(op for op in OPS if op != choices[name])}) != space.canonical(choices)


def test_drop_path_grows_with_depth():
    space = NasNet(**SMALL)
    network = space.network(space.sample(random.Random(0)))
    assert [m.share for m in network.modules() if isinstance(m, DropPath)] == [0.25, 0.5, 0.75, 1.0]


# ---- mutation --------------------------------------------------------------------------------------------------------


def test_mutation_is_that_of_amoebanet():
    """Cell type, input or operation, block, side: each uniformly, so 40 equally likely decisions; the new option too."""
    space, rng = NasNet(ops=AMOEBANET_OPS), random.Random(0)
    parent = space.sample(rng)
    changed, options = collections.Counter(), collections.Counter()
    draws = 8000
    for _ in range(draws):
        child = space.mutate(parent, rng)
        (name,) = [name for name in space.decisions if child[name] != parent[name]]
        changed[name] += 1
        if name.endswith("op0"):
            options[name, child[name]] += 1
    assert len(changed) == 40
    assert all(abs(count - draws / 40) < 5 * (draws / 40) ** 0.5 for count in changed.values())
    kinds = collections.Counter(("input" in name, name.split(".")[0]) for name in changed.elements())
    assert all(abs(count - draws / 4) < 5 * (draws / 4) ** 0.5 for count in kinds.values())
    assert len(options) == 10 * 7


# ---- arguments -------------------------------------------------------------------------------------------------------


def test_arguments_reach_the_networks():
    choices = (space := NasNet(**SMALL)).sample(random.Random(0))
    plain = count_parameters(space.network(choices))
    for change in ({"channels": 6}, {"cells": 5}, {"in_channels": 1}, {"stem": "imagenet"}):
        assert count_parameters(NasNet(**{**SMALL, **change}).network(choices)) != plain
    norms = [
        {m.affine for m in NasNet(**SMALL, supernet_affine=a).supernet().macro.cells.modules() if hasattr(m, "affine")}
        for a in (False, True)
    ]
    assert norms == [{False}, {True}]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"channels": 15}, "channels"),
        ({"channels": 1.5}, "channels"),
        ({"cells": 0}, "cells"),
        ({"cells": True}, "cells"),
        ({"in_channels": 0}, "in_channels"),
        ({"blocks": 0}, "blocks"),
        ({"stem": "mnist"}, "stem"),
        ({"supernet_affine": 1}, "supernet_affine"),
        ({"ops": ()}, "ops"),
        ({"ops": ("none", "skip_connect")}, "none"),
        ({"ops": ("no_such_op",)}, "no_such_op"),
        ({"normal_concat": ()}, "normal_concat"),
        ({"normal_concat": (2, 7)}, "normal_concat"),
        ({"normal_concat": (3, 2)}, "normal_concat"),
        ({"reduce_concat": (2, 2)}, "reduce_concat"),
        ({"reduce_concat": (False, 2)}, "reduce_concat"),
        ({"reduce_concat": "23"}, "reduce_concat"),
        ({"reduce_concat": 3}, "reduce_concat"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        NasNet(**arguments)
