"""Exact values of NAS-Bench-201: sizes, counts, text form, decoding."""

import itertools

import pytest
import torch

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import NasBench201
from lightning_nas.spaces.nasbench201.space import NASBENCH201_OPS

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def uniform(space, op):
    return dict.fromkeys(space.decisions, op)


def head(space, classes):
    return 4 * space.channels * classes


@pytest.mark.parametrize(
    ("op", "parameters", "macs"),
    [
        ("none", 73_306, 7_783_040),
        ("skip_connect", 73_306, 7_783_040),
        ("avg_pool_3x3", 73_306, 7_783_040),
        ("nor_conv_1x1", 241_306, 31_376_000),
        ("nor_conv_3x3", 1_531_546, 220_119_680),
    ],
)
def test_sizes_of_the_extremes(op, parameters, macs):
    space = NasBench201()
    network = space.network(uniform(space, op))
    assert count_parameters(network) + head(space, 10) + 10 == parameters
    assert count_macs(network, (3, 32, 32)) + head(space, 10) == macs


def test_size_of_a_supernet_whose_options_have_affine_normalisation():
    """It holds the skeleton once and the options of all edges, as the networks of one operation do."""
    space = NasBench201()
    sizes = {op: count_parameters(space.network(uniform(space, op))) for op in space.ops}
    options = sum(size - sizes["none"] for size in sizes.values())
    assert sizes["none"] + options + head(space, 10) + 10 == 1_699_546


def test_other_heads_and_image_sizes():
    space = NasBench201()
    network = space.network(uniform(space, "nor_conv_3x3"))
    assert (head(space, 100) + 100) - (head(space, 10) + 10) == 5_850
    assert head(space, 100) - head(space, 10) == 5_760
    assert (head(space, 120) + 120) - (head(space, 10) + 10) == 7_150
    assert count_macs(network, (3, 16, 16)) + head(space, 120) == 55_037_440


def test_one_edge_costs():
    space = NasBench201()
    empty = count_parameters(space.network(uniform(space, "none")))
    for op, cost in (("nor_conv_1x1", 28_000), ("nor_conv_3x3", 243_040), ("avg_pool_3x3", 0)):
        one = {**uniform(space, "none"), "cell.3.1": op}
        assert count_parameters(space.network(one)) - empty == cost


def test_size_of_the_best_architecture():
    space = NasBench201()
    network = space.network(space.from_text(BEST))
    assert count_parameters(network) + head(space, 10) + 10 == 1_288_506
    assert round((count_macs(network, (3, 32, 32)) + head(space, 10)) / 1e6, 2) == 184.73


def test_size_of_the_supernet():
    supernet = NasBench201().supernet()
    assert sum(p.numel() for p in supernet.weights().values()) + 64 * 10 + 10 == 1_692_826
    assert {name: tuple(group.shape) for name, group in supernet.logits.items()} == {"cell": (6, 5)}


def test_counts_of_cells():
    space = NasBench201()
    cells = [dict(zip(space.decisions, ops, strict=True)) for ops in itertools.product(space.ops, repeat=6)]
    assert len(cells) == space.size() == 15_625
    assert len({space.canonical(cell, propagate_zero=False) for cell in cells}) == 12_751
    assert len({space.canonical(cell) for cell in cells}) == 6_466
    assert sum(not space.connected(cell) for cell in cells) == 341
    assert len(space.neighbours(cells[0])) == 24
    assert len({space.to_text(cell) for cell in cells}) == 15_625


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # both read: conv 3x3 of the input, through an identity before or after it
        ("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
         "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"),
    ],
)  # fmt: skip
def test_equal_canonical_texts_compute_the_same(first, second):
    space = NasBench201(channels=4, cells=1)
    cells = [space.from_text(text) for text in (first, second)]
    assert space.canonical(cells[0], propagate_zero=True) != space.canonical(uniform(space, "none"))
    networks = [space.network(cell).double().eval() for cell in cells]
    networks[1].load_state_dict(dict(zip(networks[1].state_dict(), networks[0].state_dict().values(), strict=True)))
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(networks[0](x)[-1], networks[1](x)[-1])


def test_a_disconnected_cell_gives_a_constant():
    space = NasBench201(channels=4, cells=1)
    cell = space.from_text("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|")
    assert not space.connected(cell)
    # one cell per stage and a residual block around: look at a single cell
    single = space.network(cell).macro.stages[0][0].eval()
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(single(x), single(2 * x))


def test_text_form_round_trip():
    space = NasBench201()
    assert space.to_text(space.from_text(BEST)) == BEST
    assert space.from_text(BEST)["cell.3.0"] == "skip_connect"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        BEST[:-1],
        BEST.replace("~1", "~2"),
        BEST.replace("skip_connect", "max_pool_3x3"),
        BEST + "+|none~0|",
        BEST.replace("|+|", "||"),
        BEST.replace("~", ""),
    ],
)
def test_wrong_texts_are_refused(text):
    with pytest.raises(ArchitectureError):
        NasBench201().from_text(text)


def test_decode_takes_the_strongest_and_may_take_none():
    space = NasBench201()
    for text in (BEST, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"):
        choices = space.from_text(text)
        logits = torch.zeros(6, 5)
        for edge, name in enumerate(space.decisions):
            logits[edge, NASBENCH201_OPS.index(choices[name])] = 5.0
        assert space.decode({"cell": logits}) == choices
        # what lies below the maximum does not matter
        noise = torch.rand(6, 5, generator=torch.Generator().manual_seed(0))
        assert space.decode({"cell": logits + noise * (logits == 0)}) == choices
    assert set(space.decode({"cell": torch.zeros(6, 5)}).values()) == {"none"}, "ties go to the lower index"


def test_poolings_have_no_norm_and_convolutions_a_bias_only_without_affine():
    space = NasBench201(channels=4, cells=1)
    found = space.network(uniform(space, "avg_pool_3x3")).macro.stages[0][0]
    assert not list(found.parameters())
    assert not list(found.buffers())
    convs = [m for m in space.supernet().macro.stages.modules() if isinstance(m, torch.nn.Conv2d)]
    assert convs
    assert all(conv.bias is not None for conv in convs)
    fixed = space.network(uniform(space, "nor_conv_3x3")).macro.stages
    assert all(m.bias is None for m in fixed.modules() if isinstance(m, torch.nn.Conv2d))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"channels": 0}, "channels"),
        ({"channels": "16"}, "channels"),
        ({"cells": 0}, "cells"),
        ({"cells": True}, "cells"),
        ({"in_channels": -1}, "in_channels"),
        ({"nodes": 1}, "nodes"),
        ({"ops": ()}, "ops"),
        ({"ops": ("none", "none")}, "ops"),
        ({"ops": ("no_such_op",)}, "no_such_op"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        NasBench201(**arguments)
