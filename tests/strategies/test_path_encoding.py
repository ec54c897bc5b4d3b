"""Path encodings: their sizes, against a plain enumeration of routes, and what they cannot tell apart."""

import itertools
import random

import pytest
import torch

from lightning_nas.spaces import Darts, NasBench201, NasFpn
from lightning_nas.strategies.blackbox.encoding import Encoder

SPACE = NasBench201()
DARTS = Darts()
ROUTES = [["3.0"], ["1.0", "3.1"], ["2.0", "3.2"], ["1.0", "2.1", "3.2"]]  # edges from node 0 to node 3


def all_architectures(space):
    for ops in itertools.product(space.ops, repeat=len(space.decisions)):
        yield dict(zip(space.decisions, ops, strict=True))


def walked(choices):
    """The operations on the four routes, in words."""
    return {tuple(choices[f"cell.{edge}"] for edge in route) for route in ROUTES}


def test_sizes_are_the_numbers_of_possible_paths():
    choices = SPACE.sample(random.Random(0))
    assert SPACE.path_encode(choices).shape == (5 + 25 + 125,)
    without = NasBench201(ops=SPACE.ops[1:])
    assert without.path_encode(without.sample(random.Random(0))).shape == (4 + 16 + 64,)
    assert NasBench201(nodes=2).path_encode({"cell.1.0": "skip_connect"}).tolist() == [0, 1, 0, 0, 0]
    assert DARTS.path_encode(DARTS.sample(random.Random(0))).shape == (4 * (7 + 49 + 343 + 2401),)


def test_every_bit_is_one_sequence_of_operations():
    ops = SPACE.ops
    names = [path for length in (1, 2, 3) for path in itertools.product(ops, repeat=length)]
    count = {3: 0, 4: 0}
    for choices in itertools.islice(all_architectures(SPACE), 0, None, 7):
        code = SPACE.path_encode(choices)
        assert {names[bit] for bit in code.nonzero().flatten().tolist()} == walked(choices)
        assert set(code.tolist()) <= {0.0, 1.0}
        count[int(code.sum())] += 1
    assert min(count.values()) > 0


def test_all_paths_tell_all_cells_apart_and_the_short_ones_those_of_equal_short_paths():
    whole, short, words = set(), set(), set()
    for choices in all_architectures(SPACE):
        code = SPACE.path_encode(choices)
        whole.add(frozenset(code.nonzero().flatten().tolist()))
        short.add(frozenset(code[:30].nonzero().flatten().tolist()))
        words.add(frozenset(path for path in walked(choices) if len(path) < 3))
    assert len(whole) == SPACE.size()
    assert len(short) == len(words) == 5 * (25 + 25 * 24 // 2)  # a direct edge, one or two paths of two operations


@pytest.mark.parametrize("space", [SPACE, DARTS], ids=["nasbench201", "darts"])
def test_truncation_keeps_the_shortest_paths(space):
    choices = space.sample(random.Random(1))
    code = space.path_encode(choices)
    assert torch.equal(space.path_encode(choices, bits=30), code[:30])
    assert torch.equal(space.path_encode(choices, bits=10**6), code)
    with pytest.raises(ValueError, match="bits must be at least 1, got 0"):
        space.path_encode(choices, bits=0)


def test_paths_of_a_darts_cell_are_those_that_a_walk_backwards_finds():
    ops = [op for op in DARTS.ops if op != "none"]
    numbers = {}  # (cell, input, operations) -> bit, counted in the order of the docstring
    for length in (1, 2, 3, 4):
        for cell, start in itertools.product(("normal", "reduce"), (0, 1)):
            for path in itertools.product(ops, repeat=length):
                numbers[cell, start, path] = len(numbers)

    def backwards(genes, node, path):
        if node < 2:
            yield node, tuple(path)
            return
        for op, source in genes[node - 2]:
            yield from backwards(genes, source, [op, *path])

    for choices in [DARTS.sample(random.Random(seed)) for seed in range(20)]:
        expected = set()
        for cell in ("normal", "reduce"):
            genes = DARTS.genes(choices, cell)
            for node in range(2, 6):
                expected |= {numbers[cell, start, path] for start, path in backwards(genes, node, [])}
        assert set(DARTS.path_encode(choices).nonzero().flatten().tolist()) == expected


def test_a_space_without_paths_has_the_one_hot_code():
    space = NasFpn(channels=4, cells=4, repeats=1, min_level=3, max_level=5)
    choices = space.sample(random.Random(0))
    assert torch.equal(space.path_encode(choices, bits=3), space.encode(choices))


@pytest.mark.parametrize("encoding", ["one_hot", "path"])
@pytest.mark.parametrize(
    "space",
    [SPACE, DARTS, NasFpn(channels=4, cells=4, repeats=1, min_level=3, max_level=5)],
    ids=["nasbench201", "darts", "nas_fpn"],
)
def test_many_at_once_are_as_one_by_one(space, encoding):
    batch = [space.sample(random.Random(seed)) for seed in range(5)]
    encode = space.encode if encoding == "one_hot" else space.path_encode
    rows = torch.from_numpy(Encoder(space, encoding)(batch))
    assert torch.equal(rows, torch.stack([encode(choices) for choices in batch]).double())


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"encoding must be one of \['path', 'one_hot'\], got 'adjacency'"):
        Encoder(SPACE, "adjacency")
    with pytest.raises(ValueError, match="bits must be at least 1, got 0"):
        Encoder(SPACE, "path", bits=0)
