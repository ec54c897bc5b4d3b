"""NAS-FPN against an independent implementation of cell and relaxation."""

import itertools
import random

import pytest
import torch

from lightning_nas.networks import inherit_weights
from lightning_nas.spaces import FeatureInfo, FeatureLevel, NasFpn, OptionWeights
from lightning_nas.spaces.necks.nas_fpn.tokens import PUBLISHED

SMALL = FeatureInfo((FeatureLevel(3, 8), FeatureLevel(4, 16), FeatureLevel(5, 32)))


def maps(info, size=128, batch=2):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(
            batch, level.channels, size // level.reduction, size // level.reduction, generator=generator
        ).double()
        for level in info
    ]


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
