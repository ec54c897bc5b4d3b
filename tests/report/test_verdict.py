"""Whether a comparison shows a gain."""

import pytest

from lightning_nas.report.tables import shows_no_gain


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
