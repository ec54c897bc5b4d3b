import math

import pytest

from lightning_nas.report.tables import shows_no_gain
from lightning_nas.report.verdict import entropy, judge, skip_share


@pytest.mark.parametrize(
    ("shares", "entropies", "word"),
    [
        ([0.25, 0.25], [1.0, 0.6], "healthy"),
        ([0.25, 0.25], [1.0, 0.995], "undecided"),
        ([0.5, 0.625], [1.0, 0.5], "collapsing"),
        ([0.25, 0.0, 0.25], [1.0, 0.8, 0.5], "drifting"),
        ([0.5, 0.5], [1.0, 0.5], "healthy"),  # half is the limit, not above it
    ],
)
def test_words(shares, entropies, word):
    verdict = judge({"normal": shares}, {"normal": entropies})
    assert verdict.word == word
    assert verdict.sentence


def test_reduction_cells_are_not_judged():
    assert judge({"normal": [0.1], "reduce": [1.0]}, {"normal": [0.5]}).word == "healthy"


def test_nothing_recorded_is_unknown():
    assert judge({}, {}).word == "unknown"


def test_entropy_is_one_for_uniform_and_zero_for_certain_options():
    assert entropy([[0.25] * 4]) == pytest.approx(1)
    assert entropy([[1.0, 0.0, 0.0]]) == 0
    assert entropy([[0.5, 0.5], [1.0, 0.0]]) == pytest.approx(0.5)
    assert entropy([[0.9, 0.1]]) == pytest.approx(-(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)))
    with pytest.raises(ValueError, match="probabilities"):
        entropy([])


def test_share_of_operations_that_learn_nothing():
    assert skip_share(["skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5"]) == 0.5
    with pytest.raises(ValueError, match="operations"):
        skip_share([])


def compared(found, drawn=(), by_hand=()):
    kinds = [("found", found), *(("random", value) for value in drawn), *(("baseline", value) for value in by_hand)]
    return [{"name": kind, "kind": kind, "metrics": {"m": value}} for kind, value in kinds]


@pytest.mark.parametrize(
    ("found", "drawn", "by_hand", "mode", "no_gain"),
    [
        (0.9, (0.7, 0.8), (), "max", False),
        (0.8, (0.7, 0.8), (), "max", True),  # 0.05 above their mean, and their spread is 0.07
        (0.9, (0.7, 0.8), (0.95,), "max", True),
        (0.9, (), (), "max", False),
        (None, (0.7,), (), "max", False),
        (0.1, (0.7, 0.8), (0.2,), "min", False),
        (0.7, (0.7,), (), "min", True),
    ],
)
def test_a_gain_is_one_beyond_the_spread_and_above_what_is_made_by_hand(found, drawn, by_hand, mode, no_gain):
    assert shows_no_gain(compared(found, drawn, by_hand), "m", mode) is no_gain
