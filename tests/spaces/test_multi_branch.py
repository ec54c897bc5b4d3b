"""The multi-branch space: decisions, counts, blocks written out, mixing, arguments."""

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_nas.errors import ArchitectureError
from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.spaces import MultiBranch
from lightning_nas.spaces.multi_branch.blocks import Block, MixedBlock, Row
from lightning_nas.spaces.multi_branch.branches import build_branch
from lightning_nas.spaces.multi_branch.space import BRANCH_OPS, GROUPED
from lightning_nas.spaces.supernet import OptionWeights

ARGUMENTS = {
    "stem_channels": 4,
    "stem_stride": 1,
    "widths": (6, 8),
    "branch_channels": (4, 8),
    "depths": (1, 1),
    "strides": (1, 2),
    "branches": (1, 2),
    "cardinalities": (1, 2, 4),
}
SMALL = MultiBranch(**ARGUMENTS)
FEW = MultiBranch(**{**ARGUMENTS, "widths": (6,), "branch_channels": (4,), "depths": (2,), "strides": (1,)}).args
FEW = MultiBranch(**{**FEW, "ops": ("conv_1x1", "conv_3x3", "pool_1x1"), "branches": (1, 3), "cardinalities": (1, 2)})


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


# ---- branches and blocks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("name", BRANCH_OPS)
def test_sizes_and_parameters_of_branches(name, stride, size):
    c, m, g = 6, 8, 4
    branch = build_branch(name, c, m, stride, g)
    out = branch(torch.randn(2, c, size, size))
    assert out.shape == (2, m, -(-size // stride), -(-size // stride))
    kernels = {
        "conv_1x1": c * m,
        "conv_3x3": c * m + m * m // g * 9,
        "conv_3x3_3x3": c * m + 2 * (m * m // g * 9),
        "conv_1x7_7x1": c * m + 2 * (m * m // g * 7),
        "depthwise_3x3": c * m + m * 9,
        "depthwise_5x5": c * m + m * 25,
        "pool_1x1": c * m,
    }[name]
    norms = sum(isinstance(part, nn.BatchNorm2d) for part in branch)
    assert sum(p.numel() for p in branch.parameters()) == kernels + norms * 2 * m
    plain = build_branch(name, c, m, stride, g, affine=False)
    assert sum(p.numel() for p in plain.parameters()) == kernels


@pytest.mark.parametrize(
    ("name", "height", "width"),
    [
        ("conv_1x1", 1, 1),
        ("conv_3x3", 3, 3),
        ("conv_3x3_3x3", 5, 5),
        ("conv_1x7_7x1", 7, 7),
        ("depthwise_3x3", 3, 3),
        ("depthwise_5x5", 5, 5),
        ("pool_1x1", 3, 3),
    ],
)
def test_receptive_fields(name, height, width):
    torch.manual_seed(0)
    branch = build_branch(name, 8, 8, 1, 1).double().eval()
    convs = [part for part in branch if isinstance(part, nn.Conv2d)]
    for conv in convs:
        nn.init.uniform_(conv.weight, 0.1, 1.0)  # positive, so that no ReLU hides anything
    x = torch.zeros(1, 8, 15, 15, dtype=torch.float64)
    x[:, :, 7, 7] = 1.0
    reached = branch(x)[0].sum(dim=0) > 0
    assert reached.any(dim=1).sum() == height
    assert reached.any(dim=0).sum() == width


@pytest.mark.parametrize("name", GROUPED)
def test_groups_do_not_see_each_other(name):
    branch = build_branch(name, 4, 8, 1, 4).eval()
    grouped = [part for part in branch if isinstance(part, nn.Conv2d) and max(part.kernel_size) > 1]
    assert [conv.groups for conv in grouped] == [4] * len(grouped)
    inner = branch[3:]  # behind the first 1x1 convolution
    x = torch.rand(1, 8, 7, 7, requires_grad=True)
    (grad,) = torch.autograd.grad(inner(x)[:, :2].sum(), x)
    assert not grad[:, 2:].any()
    assert grad[:, :2].any()


@pytest.mark.parametrize(("before", "out", "stride"), [(6, 6, 1), (6, 8, 1), (6, 6, 2)])
def test_a_block_joins_by_one_1x1_convolution_of_all_branches(before, out, stride):
    torch.manual_seed(0)
    names = ("conv_3x3", "pool_1x1", "conv_1x1")
    block = Block([build_branch(name, before, 4, stride, 2) for name in names], before, 4, out, stride).double().eval()
    nn.init.uniform_(block.norm.running_mean, -1, 1)
    x = torch.randn(2, before, 8, 8, dtype=torch.float64)
    concatenated = torch.cat([branch(x) for branch in block.branches], dim=1)
    kernel = torch.cat([join.weight for join in block.joins], dim=1)
    assert kernel.shape == (out, 12, 1, 1)
    shortcut = x if (before, stride) == (out, 1) else block.shortcut(x)
    expected = F.relu(block.norm(F.conv2d(concatenated, kernel)) + shortcut)
    torch.testing.assert_close(block(x), expected)
    assert isinstance(block.shortcut, nn.Identity) == ((before, stride) == (out, 1))


def test_strides_and_channels_of_the_maps():
    space = MultiBranch(**{**ARGUMENTS, "stem_stride": 2, "strides": (2, 1)})
    for network in (space.network(space.sample(random.Random(0))), space.supernet()):
        assert network.feature_info.channels() == [4, 8]
        assert network.feature_info.reduction() == [2, 4]
        assert [tuple(m.shape) for m in network(torch.randn(2, 3, 20, 20))] == [(2, 4, 10, 10), (2, 8, 5, 5)]
    assert MultiBranch().network(MultiBranch().sample(random.Random(0))).feature_info.reduction() == [2, 4, 8, 16, 32]


# ---- supernet -------------------------------------------------------------------------------------------------------


def test_a_block_mixes_numbers_kinds_and_cardinalities():
    """The definition, term by term: over the number n, over its branches, over kinds, over groups."""
    torch.manual_seed(0)
    block = MixedBlock(FEW, 4, 4, 6, 1).double().eval()
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    kinds = torch.rand(3, 3, dtype=torch.float64)
    number, groups = torch.rand(2, dtype=torch.float64), torch.rand(2, dtype=torch.float64)
    joined = torch.zeros(2, 6, 8, 8, dtype=torch.float64)
    for n, weight in zip((1, 3), number, strict=True):
        for i in range(n):
            for k, name in enumerate(FEW.ops):
                for c, share in zip((1, 2), groups, strict=True):
                    own = f"{name}_g{c}" if name == "conv_3x3" else name
                    share = share if name == "conv_3x3" else 0.5  # two halves of one
                    out = block.branches[i].candidates[own](x)
                    joined += weight * kinds[i, k] * share * F.conv2d(out, block.joins[i].weight)
    expected = F.relu(block.norm(joined) + block.shortcut(x))
    found = block(x, [Row(row, None) for row in kinds], Row(number, None), Row(groups, None))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("seed", range(6))
def test_a_path_of_the_supernet_is_the_found_network(seed):
    """With its weights taken over, and BatchNorm scaled by nothing."""
    torch.manual_seed(seed)
    supernet = SMALL.supernet().double()
    x = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    choices = SMALL.sample(random.Random(seed))
    supernet.activate(choices)
    supernet(x)  # statistics that are not those of the start
    network = SMALL.network(choices).double()
    inherited = inherit_weights(network, supernet, choices)
    assert all("norm" not in name and ("weight" in name or "bias" in name) for name in inherited.skipped)
    assert all(network.get_parameter(name).dim() == 1 for name in inherited.skipped)  # scales and shifts
    supernet.eval()
    network.eval()
    for one, other in zip(network(x), supernet(x), strict=True):
        torch.testing.assert_close(one, other)


def test_only_the_branches_of_a_path_are_computed():
    supernet = SMALL.supernet()
    choices = {"stage0.0.branches": 1, "stage0.0.kind0": "conv_3x3", "stage0.0.cardinality": 2}
    choices |= {"stage1.0.branches": 2, "stage1.0.kind0": "pool_1x1", "stage1.0.kind1": "depthwise_5x5"}
    supernet.activate(choices)
    supernet(torch.randn(2, 3, 8, 8))[-1].sum().backward()
    touched = set()
    for name, parameter in supernet.named_parameters():
        if ".candidates." in name and parameter.grad is not None:
            branch, _, rest = name.partition(".candidates.")
            touched.add(f"{branch} {rest.split('.')[0]}")
    assert touched == {
        "body.stages.0.0.branches.0 conv_3x3_g2",
        "body.stages.1.0.branches.0 pool_1x1",
        "body.stages.1.0.branches.1 depthwise_5x5",
    }


def test_groups_of_logits_follow_the_choices_that_there_are():
    assert {name: tuple(g.shape) for name, g in SMALL.supernet().logits.items()} == {
        "kind": (4, 7),
        "branches": (2, 2),
        "cardinality": (2, 3),
    }
    fixed = MultiBranch(**{**ARGUMENTS, "branches": (2,), "cardinalities": (2,)})
    assert list(fixed.supernet().logits) == ["kind"]
    only = MultiBranch(**{**ARGUMENTS, "ops": ("conv_3x3",)})
    assert sorted(only.supernet().logits) == ["branches", "cardinality"]
    for space in (fixed, only):
        supernet = space.supernet().eval()
        choices = space.sample(random.Random(0))
        x = torch.randn(1, 3, 8, 8)
        mixed = supernet(x)[-1]
        supernet.activate(choices)
        path = supernet(x)[-1]
        weights = {name: OptionWeights(w.values) for name, w in supernet.option_weights().items()}
        supernet.activate(None)
        supernet.relaxation = lambda logits, weights=weights: weights
        torch.testing.assert_close(supernet(x)[-1], path)
        assert not torch.equal(mixed, path)


def test_decode_takes_the_strongest_and_breaks_ties_by_index():
    logits = {name: torch.zeros_like(group) for name, group in SMALL.supernet().logits.items()}
    first = {"stage0.0.branches": 1, "stage0.0.kind0": "conv_1x1"}
    assert SMALL.decode(logits) == {**first, "stage1.0.branches": 1, "stage1.0.kind0": "conv_1x1"}
    logits["branches"][1, 1] = 1.0
    logits["kind"][3, 2] = 1.0  # the second branch of the second block
    logits["kind"][1, 2] = 1.0  # of the first block, which has but one
    logits["cardinality"][:, 2] = 1.0
    assert SMALL.decode(logits) == {
        **first,
        "stage1.0.branches": 2,
        "stage1.0.kind0": "conv_1x1",
        "stage1.0.kind1": "conv_3x3_3x3",
        "stage1.0.cardinality": 4,
    }


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
