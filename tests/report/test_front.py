"""Whether the networks of a front keep their order when each is trained by itself."""

import json

import pytest

from lightning_nas.report.front import agreement
from lightning_nas.runs import RunFolder


def entry(name, kind, value):
    return {"name": name, "kind": kind, "metrics": {"accuracy": value}}


def together(*values):
    return [entry("found" if n == 1 else f"front {n}", "found" if n == 1 else "front", v) for n, v in enumerate(values)]


def alone(*values):
    return [entry(f"front {n} by itself", "alone", value) for n, value in enumerate(values)]


@pytest.fixture
def run(tmp_path):
    networks = [
        {"number": n, "metric": 0.5, "inherited": 0.5, "macs": n + 1, "params": 1, "latency": None} for n in range(3)
    ]
    record = {"metric": "val/accuracy", "cost": "macs", "chosen": 1, "measured": 3, "networks": networks}
    folder = RunFolder(tmp_path)
    folder.front_record.write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(
    ("values", "rank"),
    [((0.1, 0.2, 0.3), "1.00"), ((0.3, 0.2, 0.1), "-1.00"), ((0.1, 0.3, 0.2), "0.50"), ((0.2,) * 3, "not")],
)
def test_the_order_of_three_networks_is_compared(run, values, rank):
    said = agreement(run, [*together(0.4, 0.5, 0.6), *alone(*values)], "accuracy")
    assert f"0.4000 / {values[0]:.4f}, 0.5000 / {values[1]:.4f}" in said
    assert f"rank correlation (Spearman) {rank}" in said


def test_two_networks_have_no_order_to_speak_of(run):
    assert agreement(run, [*together(0.4, 0.5, 0.6), *alone(0.1, 0.2)], "accuracy") is None
