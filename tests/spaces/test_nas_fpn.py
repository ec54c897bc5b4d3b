"""NAS-FPN: published sizes, an independent implementation of cell and relaxation, tokens."""

import itertools
import math
import random

import pytest
import torch
from torch import nn

from lightning_nas.cost import count_parameters
from lightning_nas.errors import ArchitectureError
from lightning_nas.networks import inherit_weights
from lightning_nas.spaces import FeatureInfo, FeatureLevel, NasFpn, OptionWeights
from lightning_nas.spaces.necks.nas_fpn.network import Stack
from lightning_nas.spaces.necks.nas_fpn.space import PUBLISHED

R50 = FeatureInfo((FeatureLevel(256, 4), FeatureLevel(512, 8), FeatureLevel(1024, 16), FeatureLevel(2048, 32)))
SMALL = FeatureInfo((FeatureLevel(3, 8), FeatureLevel(4, 16), FeatureLevel(5, 32)))


def maps(info, size=128, batch=2):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(
            batch, level.channels, size // level.reduction, size // level.reduction, generator=generator
        ).double()
        for level in info
    ]


def neck(space, info=R50):
    return space.network(space.from_tokens(PUBLISHED), inputs=info)


# ---- published values ---------------------------------------------------------------------------------------------


def test_one_merging_convolution_and_a_stack_have_the_published_size():
    stack = Stack(NasFpn(), PUBLISHED)
    assert count_parameters(stack.cells[0]) == 590_592
    assert count_parameters(stack) == 4_134_144


@pytest.mark.parametrize(
    ("channels", "repeats", "stacks", "laterals"),
    [
        (256, 3, 12_402_432, 919_808),
        (256, 5, 20_670_720, 919_808),
        (256, 7, 28_939_008, 919_808),
        (384, 7, 65_084_544, 1_379_712),
    ],
)
def test_necks_have_the_published_size(channels, repeats, stacks, laterals):
    network = neck(NasFpn(channels=channels, repeats=repeats))
    assert count_parameters(network.stacks) == stacks
    assert count_parameters(network.laterals) == laterals


@pytest.mark.parametrize(("size", "giga"), [(512, 4.426), (640, 6.916), (1024, 17.704)])
def test_a_stack_has_the_published_multiply_adds(size, giga):
    stack = Stack(NasFpn(), PUBLISHED)
    pixels = []
    for cell in stack.cells:
        cell.register_forward_hook(lambda module, args, out: pixels.append(out.shape[-2] * out.shape[-1]))
    with torch.no_grad():
        for cell in stack.cells:  # the arithmetic is not needed to see the sizes of maps
            cell[1] = nn.Identity()
        stack.eval()([torch.zeros(1, 256, size // 2**level, size // 2**level) for level in range(3, 8)])
    assert round(sum(pixels) * 256 * 256 * 9 / 1e9, 3) == giga
    assert [cell.level for cell in PUBLISHED] == [4, 4, 3, 4, 5, 7, 6]


def test_sizes_of_the_space():
    space = NasFpn()
    sequences = math.prod(math.comb(5 + i, 2) for i in range(7)) * 2**7
    assert space.size() == sequences * 2**7 * 5**2 * math.factorial(5)
    assert f"{sequences:.3e}" == "1.006e+12"
    assert f"{space.size() // 2**7:.3e}" == "3.018e+15"


def test_published_tokens_come_back():
    space = NasFpn()
    choices = space.from_tokens(PUBLISHED)
    assert space.tokens(choices) == PUBLISHED
    assert space.architecture(choices).components["neck"].space == "nas_fpn"


# ---- the fixed network, written out ---------------------------------------------------------------------------------


def to_size(x, size):
    """Nearest neighbours and maxima by indexing."""
    factor = size / x.shape[-1]
    if factor >= 1:
        return x.repeat_interleave(int(factor), -1).repeat_interleave(int(factor), -2)
    step = round(1 / factor)
    return torch.stack([x[..., i::step, j::step] for i in range(step) for j in range(step)]).amax(0)


def merge(op, a, b, level_a, level_b, size):
    if op == "sum":
        return to_size(a, size) + to_size(b, size)
    high, low = (a, b) if level_a >= level_b else (b, a)
    gate = torch.sigmoid(high.flatten(2).max(-1).values)[..., None, None]
    return to_size(high, size) + gate * to_size(low, size)


def written_out(stack, tokens, levels, inputs):
    features = dict(enumerate(inputs))
    at = dict(enumerate(levels))
    used = set()
    outputs = {}
    for i, (a, b, level, op) in enumerate(tokens):
        number = len(features)
        size = inputs[levels.index(level)].shape[-1]
        new = merge(op, features[a], features[b], at[a], at[b], size)
        used.update((a, b))
        if i >= len(tokens) - len(levels):
            for other in range(number):
                if other not in used and at[other] == level:
                    new = new + features[other]
                    used.add(other)
        features[number], at[number] = stack.cells[i](new), level
        if i >= len(tokens) - len(levels):
            outputs[level] = features[number]
    return [outputs[level] for level in levels]


@pytest.mark.parametrize("seed", range(6))
def test_a_stack_computes_what_the_paper_says(seed):
    space = NasFpn(channels=4, repeats=1)
    choices = space.from_tokens(PUBLISHED) if seed == 0 else space.sample(random.Random(seed))
    network = space.network(choices, inputs=SMALL).double().eval()
    inputs = network.laterals(maps(SMALL))
    expected = written_out(network.stacks[0], space.tokens(choices), list(space.levels), inputs)
    for ours, theirs in zip(network.stacks[0](inputs), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_map_that_no_cell_reads_joins_the_result_of_its_level():
    space = NasFpn(channels=4, cells=3, repeats=1, min_level=3, max_level=5)
    tokens = [(0, 1, 3, "sum"), (0, 3, 4, "sum"), (1, 3, 5, "sum")]  # nothing reads input 2, of level 5
    network = space.network(space.from_tokens(tokens), inputs=SMALL).double().eval()
    inputs = network.laterals(maps(SMALL))
    changed = [*inputs[:2], inputs[2] + 1]
    before, after = network.stacks[0](inputs), network.stacks[0](changed)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[2], after[2])


def test_coarser_levels_are_pooled_and_odd_sizes_are_met():
    network = neck(NasFpn(channels=4, repeats=2), SMALL).eval()
    x = [torch.randn(1, c, *size) for c, size in ((3, (13, 19)), (4, (7, 10)), (5, (4, 5)))]
    levels = network.laterals(x)
    assert torch.equal(levels[3], nn.functional.max_pool2d(levels[2], 2, ceil_mode=True))
    assert [f.shape[-2:] for f in network(x)] == [(13, 19), (7, 10), (4, 5), (2, 3), (1, 2)]


# ---- the relaxation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_supernet_on_a_path_is_the_fixed_network(seed):
    space = NasFpn(channels=4, repeats=2)
    supernet = space.supernet(inputs=SMALL).double().eval()
    choices = space.sample(random.Random(seed))
    network = space.network(choices, inputs=SMALL).double().eval()
    inherit_weights(network, supernet, choices)
    supernet.activate(choices)
    for ours, theirs in zip(supernet(maps(SMALL)), network(maps(SMALL)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def expected_mix(stack, space, weights, inputs):
    """The relaxation by enumeration: every pair, every level of both, every operation, weighted by probabilities."""
    order = weights["order"].values[0]
    variants = {i: [(level, x, 1.0)] for i, (level, x) in enumerate(zip(space.levels, inputs, strict=True))}
    unread = dict.fromkeys(variants, 1.0)
    results = dict.fromkeys(space.levels, 0.0)
    for i in range(space.cells):
        pairs = dict(zip(space.pairs(i), weights[f"pair{i}"].values[0], strict=True))
        gives = i >= space.free_cells
        for source in list(unread):
            unread[source] = unread[source] * (1 - sum(p for pair, p in pairs.items() if source in pair))
        new = []
        for index, level in enumerate(space.levels):
            size = inputs[index].shape[-1]
            total = 0.0
            for (a, b), p in pairs.items():
                for (la, xa, pa), (lb, xb, pb) in itertools.product(variants[a], variants[b]):
                    for op, q in zip(("sum", "attention"), weights["op"].values[i], strict=True):
                        total = total + p * pa * pb * q * merge(op, xa, xb, la, lb, size)
            if gives:
                for source, known in variants.items():
                    for at, x, p in known:
                        if at == level:
                            total = total + unread[source] * p * x
                position = i - space.free_cells
                chance = sum(p for perm, p in zip(space.orders, order, strict=True) if perm[position] == level)
            else:
                chance = weights["level"].values[i][index]
            x = stack.cells[i](total)
            new.append((level, x, chance))
            if gives:
                results[level] = results[level] + chance * x
        unread[len(variants)] = 1.0
        variants[len(variants)] = new
    return [results[level] for level in space.levels]


def test_the_relaxation_is_the_mean_over_all_choices_of_a_cell():
    space = NasFpn(channels=3, cells=4, repeats=1, min_level=3, max_level=5)
    supernet = space.supernet(inputs=SMALL, generator=torch.Generator().manual_seed(1)).double().eval()
    with torch.no_grad():
        for group in supernet.logits.values():
            group.normal_(generator=torch.Generator().manual_seed(2))
    inputs = supernet.laterals(maps(SMALL, 64))
    weights = supernet.option_weights()
    ours = supernet(maps(SMALL, 64))
    for mixed, expected in zip(ours, expected_mix(supernet.stacks[0], space, weights, inputs), strict=True):
        torch.testing.assert_close(mixed, expected, rtol=1e-10, atol=1e-10)


def test_gradients_of_the_logits_are_right():
    space = NasFpn(channels=2, cells=3, repeats=1, min_level=4, max_level=5)
    supernet = space.supernet(inputs=SMALL).double().eval()
    x = maps(SMALL, 64, batch=1)
    names = list(supernet.logits)

    def loss(*logits):
        values = {name: OptionWeights(group.softmax(-1)) for name, group in zip(names, logits, strict=True)}
        supernet.relaxation = lambda _: values
        return torch.stack([f.square().sum() for f in supernet(x)]).sum()

    start = [torch.randn_like(group).requires_grad_() for group in supernet.logits.values()]
    assert torch.autograd.gradcheck(loss, start, eps=1e-6, atol=1e-5)


# ---- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cells": 8}, "cells"),
        ({"cells": 4}, "cells"),
        ({"channels": 0}, "channels"),
        ({"repeats": True}, "repeats"),
        ({"min_level": 6, "max_level": 5}, "max_level"),
    ],
)
def test_impossible_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        NasFpn(**arguments)


@pytest.mark.parametrize(
    "cell", [(1, 1, 4, "sum"), (1, 12, 4, "sum"), (1, 3, 8, "sum"), (1, 3, 4, "product"), (1, 3, 4)]
)
def test_impossible_tokens_are_refused(cell):
    with pytest.raises(ArchitectureError):
        NasFpn().from_tokens([cell, *PUBLISHED[1:]])


def test_every_level_must_be_given_once():
    tokens = list(PUBLISHED)
    tokens[3] = tokens[3]._replace(level=3)
    with pytest.raises(ArchitectureError, match=r"cell3\.level = 3"):
        NasFpn().from_tokens(tokens)


@pytest.mark.parametrize("strides", [(4, 16, 32), (2, 4), (8, 32)])
def test_a_backbone_without_the_levels_is_refused(strides):
    info = FeatureInfo(tuple(FeatureLevel(4, stride) for stride in strides))
    with pytest.raises(ValueError, match="stride"):
        neck(NasFpn(channels=4), info)
