"""The table of measured latencies."""

import pytest

from lightning_nas.cost import LatencyTable, OpKey

KEYS = [OpKey("sep_conv_3x3", 4, 4, 8, 8, 1), OpKey("sep_conv_3x3", 4, 4, 8, 8, 2), OpKey("none", 4, 4, 8, 8, 1)]


def test_measures_every_operation_once_and_none_costs_nothing(tmp_path):
    table = LatencyTable.measure([*KEYS, KEYS[0]], warmup=2)
    assert set(table.times) == set(KEYS)
    assert table.lookup(KEYS[2]) == 0.0
    assert table.lookup(KEYS[0]) > 0.0
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json") == table


def test_what_was_not_measured_is_named():
    with pytest.raises(KeyError, match=r"OpKey.*op='none'.*measure it anew"):
        LatencyTable({}, "cpu").lookup(KEYS[2])


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        "[" * 100_000,
        '{"device": "cpu", "rows": [["a", 1]]}',
        '{"device": "cpu", "rows": [["a", 1, 1, 1, 1, 1, NaN]]}',
        '{"device": "cpu", "rows": [["a", 1, 1, 1, 1, 1e999, 2]]}',
    ],
)
def test_foreign_files_are_refused(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(ValueError, match=r"table\.json: not a latency table"):
        LatencyTable.load(tmp_path / "table.json")
