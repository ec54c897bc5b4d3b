"""The multi-branch space: decisions, counts, arguments."""

import pytest
import torch
from multi_branch_spaces import FEW, SMALL

from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import MultiBranch
from lightning_nas.spaces.multi_branch.branches import build_branch


def enumerated(space):
    def grow(choices, names):
        if not names:
            yield choices
            return
        for option in space.options(names[0], choices) or [None]:
            yield from grow(choices if option is None else {**choices, names[0]: option}, names[1:])

    return list(grow({}, space.decisions))


# ---- decisions ------------------------------------------------------------------------------------------------------


def test_count_equals_enumeration():
    every = enumerated(FEW)
    for choices in every:
        FEW.validate(choices)
    # by hand: one branch 3 kinds, one of them with 2 cardinalities; three branches 27, 8 of them without a 3x3
    block = (2 + 1 * 2) + (8 + 19 * 2)
    assert len(every) == len({tuple(c.items()) for c in every}) == FEW.size() == block**2
    single = MultiBranch(**{**FEW.args, "cardinalities": (2,), "branches": (2,)})
    assert single.size() == (3**2) ** 2 == len(enumerated(single))
    plain = MultiBranch(**{**FEW.args, "ops": ("conv_1x1", "pool_1x1")})
    assert plain.size() == (2 + 8) ** 2 == len(enumerated(plain))
    assert not any(name.endswith("cardinality") for name in plain.decisions)
    # the defaults: 8 blocks of 1 to 4 branches, 7 kinds of which 4 have no groups
    assert MultiBranch().size() == sum((7**n - 4**n) * 4 + 4**n for n in (1, 2, 3, 4)) ** 8


def test_a_branch_exists_only_if_there_are_enough_and_groups_only_if_used():
    choices = {
        "stage0.0.branches": 1,
        "stage0.0.kind0": "conv_1x1",
        "stage1.0.branches": 2,
        "stage1.0.kind0": "pool_1x1",
        "stage1.0.kind1": "conv_3x3",
        "stage1.0.cardinality": 4,
    }
    SMALL.validate(choices)
    genes = SMALL.genes(choices)
    assert [(g.ops, g.cardinality) for g in genes] == [(("conv_1x1",), 1), (("pool_1x1", "conv_3x3"), 4)]
    with pytest.raises(ArchitectureError, match=r"stage0\.0\.kind1.*inactive"):
        SMALL.validate({**choices, "stage0.0.kind1": "conv_3x3"})
    with pytest.raises(ArchitectureError, match=r"stage0\.0\.cardinality.*inactive"):
        SMALL.validate({**choices, "stage0.0.cardinality": 1})
    with pytest.raises(ArchitectureError, match=r"stage0\.0\.cardinality.*missing"):
        SMALL.validate({**choices, "stage0.0.kind0": "conv_1x7_7x1"})
    with pytest.raises(ArchitectureError, match=r"stage1\.0\.cardinality.*not allowed"):
        SMALL.validate({**choices, "stage1.0.cardinality": 3})


def test_all_options_are_those_that_occur():
    every = enumerated(FEW)
    for name in FEW.decisions:
        assert set(FEW.all_options(name)) == {choices[name] for choices in every if name in choices}


def test_the_order_of_branches_does_not_count_in_the_canonical_text():
    texts = {}
    for choices in enumerated(FEW):
        key = tuple((tuple(sorted(g.ops)), g.cardinality) for g in FEW.genes(choices))
        texts.setdefault(key, set()).add(FEW.canonical(choices))
    assert all(len(found) == 1 for found in texts.values())
    assert len({next(iter(found)) for found in texts.values()}) == len(texts) < FEW.size()


def test_branches_that_change_places_compute_the_same():
    torch.manual_seed(0)
    one = {
        "stage0.0.branches": 3,
        "stage0.0.kind0": "conv_1x1",
        "stage0.0.kind1": "conv_3x3",
        "stage0.0.kind2": "pool_1x1",
    }
    one |= {"stage0.0.cardinality": 2, "stage0.1.branches": 1, "stage0.1.kind0": "conv_1x1"}
    other = {**one, "stage0.0.kind0": "pool_1x1", "stage0.0.kind1": "conv_1x1", "stage0.0.kind2": "conv_3x3"}
    assert FEW.canonical(one) == FEW.canonical(other)
    first, second = FEW.network(one).double().eval(), FEW.network(other).double().eval()
    moved = {"0": "1", "1": "2", "2": "0"}

    def renamed(name):
        parts = name.split(".")
        if parts[:4] == ["body", "stages", "0", "0"] and parts[4] in ("branches", "joins"):
            parts[5] = moved[parts[5]]
        return ".".join(parts)

    second.load_state_dict({renamed(name): tensor for name, tensor in first.state_dict().items()})
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(first(x)[-1], second(x)[-1])


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": 24}, "widths must be a list"),
        ({"widths": (24, 40)}, "equally long"),
        ({"depths": (2, 2, 2, 0)}, "depths"),
        ({"strides": (2, 2, 2, 3)}, "strides"),
        ({"strides": (2, 2, 2, True)}, "strides"),
        ({"stem_stride": 4}, "stem_stride"),
        ({"stem_channels": 0}, "stem_channels"),
        ({"branch_channels": (16, 32, 64, 100)}, "multiples of all cardinalities.*100"),
        ({"branches": (2, 1)}, "branches must be ascending"),
        ({"branches": (0, 1)}, "branches"),
        ({"cardinalities": (1, 1)}, "cardinalities must be ascending"),
        ({"in_channels": 0}, "in_channels"),
        ({"ops": ("conv_3x3", "conv_9x9")}, "ops must be of"),
        ({"ops": ("conv_3x3", "conv_3x3")}, "ops must be of"),
        ({"ops": "conv_3x3"}, "ops must be a list"),
        ({"ops": ("conv_1x1",), "branches": (1,)}, "no choice"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        MultiBranch(**arguments)


def test_unknown_branches_are_refused():
    with pytest.raises(ValueError, match="unknown branch 'conv_9x9'"):
        build_branch("conv_9x9", 4, 4, 1, 1)
