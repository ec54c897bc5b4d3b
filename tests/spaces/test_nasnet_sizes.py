"""The NASNet space has the sizes and counts that were published."""

import itertools

import pytest

from lightning_nas.architecture import Architecture
from lightning_nas.cost import count_macs
from lightning_nas.networks.backbone import build_network
from lightning_nas.report.cells import draw
from lightning_nas.spaces import NasNet, from_architecture, published, published_names
from lightning_nas.spaces.nasnet.space import AMOEBANET_OPS, NASNET_OPS
from lightning_nas.tasks.classification.module import ClassificationTask

RULE = {"normal_concat": None, "reduce_concat": None}
IMAGENET = {"channels": 48, "cells": 14, "stem": "imagenet", **RULE}


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
