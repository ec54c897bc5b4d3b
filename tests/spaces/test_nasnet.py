"""The NASNet space: published sizes, counts, cells against a textbook computation, paths, mutation."""

import collections
import copy
import itertools
import random

import pytest
import torch
from cell_networks import randomised, take_weights, textbook, unread

from lightning_nas.architecture import Architecture
from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.networks.backbone import build_network
from lightning_nas.ops import DropPath
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.report.cells import draw
from lightning_nas.spaces import NasNet, from_architecture, published, published_names
from lightning_nas.spaces.nasnet.search_cell import unread_shares
from lightning_nas.spaces.nasnet.space import AMOEBANET_OPS, NASNET_OPS
from lightning_nas.spaces.supernet import OptionWeights
from lightning_nas.tasks.classification.module import ClassificationTask

RULE = {"normal_concat": None, "reduce_concat": None}
IMAGENET = {"channels": 48, "cells": 14, "stem": "imagenet", **RULE}
OPS = ("skip_connect", "max_pool_3x3", "sep_conv_3x3", "nor_conv_3x3")
SMALL = {"channels": 4, "cells": 4, "blocks": 3, "ops": OPS}


def images(batch=2, size=16):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# ---- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "classes", "plain", "with_auxiliary", "macs"),
    [
        ("nasnet_a", {}, 10, 3_328_234, 3_796_468, 525_786_624),
        ("nasnet_a", {"channels": 36, **RULE}, 10, 3_830_950, 4_288_944, None),
        ("nasnet_a", IMAGENET, 1000, 5_564_320, 6_800_520, 604_031_616),
        ("amoebanet_a", {}, 10, 3_207_106, 3_701_964, 498_388_608),
        ("amoebanet_a", {"channels": 32}, 10, 2_558_858, 3_043_476, None),
        ("amoebanet_a", {"channels": 50, "cells": 14, "stem": "imagenet"}, 1000, 5_092_175, 6_382_647, 560_350_600),
    ],
)
def test_sizes_of_published_networks(name, arguments, classes, plain, with_auxiliary, macs):
    space, choices = from_architecture(published(name, **arguments))
    network = space.network(choices)
    for weight, expected in ((0.0, plain), (0.4, with_auxiliary)):
        task = ClassificationTask(network, classes, auxiliary_weight=weight)
        assert sum(p.numel() for p in task.parameters()) == expected
    if macs is not None:
        size = (3, 224, 224) if classes == 1000 else (3, 32, 32)
        assert count_macs(network, size) + network.feature_info.channels()[-1] * classes == macs


def convolutional_cost(op, channels):
    """Parameters of an operation as the released code of AmoebaNet has it, from the description alone."""
    quarter = channels // 4
    if op.startswith("sep_conv"):
        return 2 * (int(op[-1]) ** 2 * channels + channels**2 + 2 * channels)
    if op == "bottleneck_1x7_7x1":
        ends = channels * quarter + 2 * quarter + quarter * channels + 2 * channels
        return ends + 2 * (7 * quarter**2 + 2 * quarter)
    assert "pool" in op or op == "skip_connect"
    return 0


@pytest.mark.parametrize(("channels", "millions"), [(32, 2.6), (36, 3.2)])
def test_amoebanet_a_has_its_published_size(channels, millions):
    """Real et al., table 2. Counted a second time: stem, projections of the inputs, operations, classifier."""
    space, choices = from_architecture(published("amoebanet_a", channels=channels))
    operations = {
        kind: [option for name, option in choices.items() if name.startswith(f"{kind}.") and ".op" in name]
        for kind in ("normal", "reduce")
    }
    kept = {"normal": 4, "reduce": 5}
    older = newer = 3 * channels
    total, width = 27 * newer + 2 * newer, channels
    for index in range(20):
        kind = "reduce" if index in (6, 13) else "normal"
        width *= 2 if kind == "reduce" else 1
        total += (older + newer) * width + 4 * width  # a factorized reduction is as large as a 1x1 convolution
        total += sum(convolutional_cost(op, width) for op in operations[kind])
        older, newer = newer, kept[kind] * width
    total += newer * 10 + 10
    assert sum(p.numel() for p in ClassificationTask(space.network(choices), 10).parameters()) == total
    assert round(total / 1e6, 1) == millions


DARTS_OPERATIONS = {"bottleneck_1x7_7x1": "conv_7x1_1x7", "bottleneck_dil_3x3": "dil_conv_3x3"}


@pytest.mark.parametrize(
    ("arguments", "classes", "plain", "macs"),
    [({}, 10, 3_534_022, None), (RULE, 10, 3_145_078, None), (IMAGENET, 1000, 4_627_360, 526_746_624)],
)
def test_records_with_operations_of_the_darts_family_keep_their_meaning(arguments, classes, plain, macs):
    """The DARTS repository has AmoebaNet-A with its own operations, and so had the records of this one once."""
    record = published("amoebanet_a", **arguments)
    text = record.to_json()
    for new, old in DARTS_OPERATIONS.items():
        text = text.replace(new, old)
    record = Architecture.from_json(text)
    if not arguments:
        assert record.hash == "7f16e2aa731c0f6ccf77868a578414b0f88d519efa6ca45488d205559cf7906f"
    network = build_network(record)
    assert sum(p.numel() for p in ClassificationTask(network, classes).parameters()) == plain
    if macs is not None:
        assert count_macs(network, (3, 224, 224)) + network.feature_info.channels()[-1] * classes == macs


def test_six_at_768():
    """N @ P: N normal cells per resolution, P channels of the last map."""
    space, choices = from_architecture(published("nasnet_a"))
    network = space.network(choices)
    assert space.cells == 3 * 6 + 2
    assert network.feature_info.channels() == [192, 384, 768]
    assert network.auxiliary_info.channels == 512


def test_published_names_and_their_records():
    assert {"nasnet_a", "amoebanet_a"} <= set(published_names())
    record = published("amoebanet_a")
    assert "1802.01548" in record.provenance["source"]
    assert record.components["backbone"].space == "nasnet"
    assert all(option in (*AMOEBANET_OPS, *range(6)) for option in record.components["backbone"].choices.values())
    assert draw(record)


def test_the_operations_of_the_papers():
    assert len(NASNET_OPS) == 13
    assert len(AMOEBANET_OPS) == 8
    assert set(AMOEBANET_OPS) < set(NASNET_OPS)
    not_separable = {"bottleneck_1x3_3x1", "bottleneck_1x7_7x1", "bottleneck_3x3", "bottleneck_dil_3x3"}
    assert not_separable < set(NASNET_OPS)
    assert not_separable & set(AMOEBANET_OPS) == {"bottleneck_1x7_7x1", "bottleneck_dil_3x3"}


# ---- counts ----------------------------------------------------------------------------------------------------------


def test_counts():
    """Per cell: ordered pairs of (state, operation); with two combiners of a block it would be 2.287e18."""
    states = (2 * 3 * 4 * 5 * 6) ** 2
    assert NasNet().size() == (states * 13**10) ** 2
    assert states * 13**10 * 2**5 == pytest.approx(2.287e18, rel=1e-3)
    assert NasNet(ops=AMOEBANET_OPS).size() == (states * 8**10) ** 2
    assert states * 8**10 == pytest.approx(5.566e14, rel=1e-3)


def test_size_counts_what_can_be_listed():
    space = NasNet(blocks=1, ops=("skip_connect", "max_pool_3x3"))
    found = [
        dict(zip(space.decisions, options, strict=True))
        for options in itertools.product(*(space.options(name, {}) for name in space.decisions))
    ]
    for choices in found:
        space.validate(choices)
    assert len({tuple(choices.items()) for choices in found}) == len(found) == space.size() == 256
    # 4 (state, operation) pairs: 10 unordered pairs of them per cell
    assert len({space.canonical(choices) for choices in found}) == 100


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


# ---- supernet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("form", ["textbook", "fused"])
def test_a_path_is_the_found_network_of_the_same_weights(affine, form):
    for seed in range(2):
        torch.manual_seed(seed)
        space = NasNet(**SMALL, supernet_affine=affine)
        choices = space.sample(random.Random(seed))
        supernet, network = randomised(space.supernet(), seed), space.network(choices).double().eval()
        left = take_weights(network, supernet, space, choices)
        # BatchNorm of a found network has a scale and shift of 1 and 0 where the supernet's has none
        assert affine is not any("norm" in name for name in left)
        assert all(name.endswith(("norm.weight", "norm.bias")) for name in left)
        supernet.set_form(form)
        supernet.activate(choices)
        with torch.no_grad():
            expected, path = network(images()), supernet(images())
        states = unread(space, choices, "normal")
        parts = path[-1].chunk(space.blocks + 2, dim=1)
        torch.testing.assert_close(torch.cat([parts[state] for state in states], dim=1), expected[-1])
        assert all((part == 0).all() for state, part in enumerate(parts) if state not in states)


def test_both_forms_compute_and_learn_the_same():
    torch.manual_seed(0)
    fused = NasNet(channels=4, cells=3, blocks=2, ops=(*OPS, "dil_conv_3x3")).supernet().double()
    with torch.no_grad():
        for group in fused.logits.values():
            group.normal_()
    plain = copy.deepcopy(fused)
    plain.set_form("textbook")
    for network in (fused, plain):
        features = network(images(3))
        sum((f * torch.linspace(-1, 1, f.numel(), dtype=f.dtype).view_as(f)).sum() for f in features).backward()
    torch.testing.assert_close(fused(images(3)), plain(images(3)))
    for (name, p), q in zip(fused.named_parameters(), plain.parameters(), strict=True):
        if p.grad is None or name.endswith("conv.bias"):  # a bias in front of a BatchNorm: zero up to rounding
            continue
        assert (p.grad - q.grad).norm() <= 1e-8 * (1 + q.grad.norm()), name
    for (name, buffer), other in zip(fused.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, msg=name)
    assert sum(p.grad is not None for p in fused.parameters()) > 100
    with pytest.raises(ValueError, match="form"):
        fused.set_form("fast")


def test_the_mixed_cell_is_the_sum_over_states_and_operations():
    torch.manual_seed(0)
    space = NasNet(channels=4, cells=1, blocks=2, ops=OPS)
    supernet = randomised(space.supernet())
    with torch.no_grad():
        for group in supernet.logits.values():
            group.normal_()
    cell = supernet.macro.cells[0]
    p_op = supernet.logits["reduce"].softmax(-1)  # the only cell is a reduction
    p_in = {n: supernet.logits[f"reduce_inputs{n}"].softmax(-1) for n in (2, 3)}
    stem = supernet.macro.stem(images())
    states, edge = list(cell.inputs(stem, stem)), 0
    for n in (2, 3):
        total = 0
        for side, source in itertools.product((0, 1), range(n)):
            for o, candidate in enumerate(cell.edges[edge].candidates):
                total = total + p_in[n][side, source] * p_op[edge, o] * candidate(states[source])
            edge += 1
        states.append(total)
    assert edge == len(cell.edges) == 10
    states[:2] = [cell.outcome.halve[str(i)](states[i]) for i in (0, 1)]
    shares = [(1 - p_in[2][0, s]) * (1 - p_in[2][1, s]) if s < 2 else 1.0 for s in range(4)]
    shares = [share * ((1 - p_in[3][0, s]) * (1 - p_in[3][1, s]) if s < 3 else 1.0) for s, share in enumerate(shares)]
    expected = torch.cat([share * x for share, x in zip(shares, states, strict=True)], dim=1)
    torch.testing.assert_close(supernet(images())[-1], expected)


def test_shares_of_states_are_probabilities_of_not_being_read():
    generator = torch.Generator().manual_seed(0)
    values = [torch.rand(2, n, generator=generator, dtype=torch.float64) for n in (2, 3)]
    values = [v / v.sum(dim=1, keepdim=True) for v in values]
    expected = torch.zeros(4, dtype=torch.float64)
    for read in itertools.product(range(2), range(2), range(3), range(3)):
        probability = values[0][0, read[0]] * values[0][1, read[1]] * values[1][0, read[2]] * values[1][1, read[3]]
        for state in set(range(4)) - set(read):
            expected[state] += probability
    torch.testing.assert_close(torch.stack(unread_shares([OptionWeights(v) for v in values])), expected)


def test_logits_and_candidates_of_the_supernet():
    supernet = NasNet(channels=2, cells=3, ops=("skip_connect", "max_pool_3x3")).supernet()
    shapes = {name: tuple(group.shape) for name, group in supernet.logits.items()}
    assert shapes == dict.fromkeys(("normal", "reduce"), (40, 2)) | {
        f"{cell}_inputs{n}": (2, n) for cell in ("normal", "reduce") for n in range(2, 7)
    }
    strides = [m.stride for m in supernet.macro.cells[1].modules() if isinstance(m, MixedOp)]
    assert strides == [2 if source < 2 else 1 for n in range(2, 7) for _ in (0, 1) for source in range(n)]
    assert supernet.feature_info.channels() == [14, 28, 56]


def test_decode_takes_the_likeliest_pair_of_state_and_operation():
    space = NasNet(channels=2, cells=3, blocks=1, ops=("skip_connect", "max_pool_3x3"))
    logits = {name: torch.zeros_like(group) for name, group in space.supernet().logits.items()}
    logits["normal_inputs2"] = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    logits["normal"] = torch.tensor([[0.5, 0.5], [0.01, 0.99], [0.7, 0.3], [0.5, 0.5]]).log()
    choices = space.decode(logits)
    # side 0: 0.4 * 0.99 above 0.6 * 0.5, though state 0 is the likelier one; side 1: 0.6 * 0.7
    assert [choices[f"normal.2.{what}"] for what in ("input0", "op0")] == [1, "max_pool_3x3"]
    assert [choices[f"normal.2.{what}"] for what in ("input1", "op1")] == [0, "skip_connect"]
    assert [choices[f"reduce.2.{what}"] for what in ("input0", "op0")] == [0, "skip_connect"], "ties: lower index"


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
