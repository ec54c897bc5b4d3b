"""Multi-branch networks: branches, blocks, and the supernet that mixes them."""

import random

import pytest
import torch
from multi_branch_spaces import ARGUMENTS, FEW, SMALL
from torch import nn
from torch.nn import functional as F

from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.spaces import MultiBranch
from lightning_nas.spaces.multi_branch.blocks import Block, MixedBlock, Row
from lightning_nas.spaces.multi_branch.branches import build_branch
from lightning_nas.spaces.multi_branch.space import BRANCH_OPS, GROUPED
from lightning_nas.spaces.option_weights import OptionWeights

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
