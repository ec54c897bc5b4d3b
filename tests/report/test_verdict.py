import math

import pytest

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
