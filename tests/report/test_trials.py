"""What a report shows of the trials of a black-box search."""

import json

import pytest

from lightning_nas.errors import ReportError
from lightning_nas.report.page import build
from lightning_nas.report.reading import read_trials
from lightning_nas.report.trials import pareto_front, trial_report


def trial(number, *values, state="complete", **more):
    objectives = ["val/accuracy", "macs"][: max(1, len(values))]
    return {"number": number, "state": state, "objectives": objectives, "values": list(values) or None, **more}


SINGLE = [
    trial(0, 0.5),
    trial(1, 0.8),
    trial(2, 0.2, state="pruned"),
    trial(3, state="fail", error="RuntimeError: out of memory"),
    trial(4, 0.8, twin=1),
]
SEVERAL = [trial(0, 0.9, 10.0), trial(1, 0.8, 5.0), trial(2, 0.7, 7.0), trial(3, 0.8, 5.0)]


def test_trials_are_counted_and_failures_explained():
    shown = trial_report(SINGLE)
    assert shown.sentence == ("3 trials were completed, 1 pruned, 1 failed; 1 took the results of an earlier trial.")
    assert shown.failures == {"RuntimeError: out of memory": 1}
    assert "best so far" in shown.chart
    assert shown.front is None
    assert shown.front_rows == ()


def test_a_front_is_drawn_and_listed():
    shown = trial_report(SEVERAL)
    assert shown.front_rows == (
        ("trial", "val/accuracy", "macs"), ("0", "0.9", "10"), ("1", "0.8", "5"), ("3", "0.8", "5"),
    )  # fmt: skip
    assert shown.front.startswith("<svg")


def test_the_columns_of_a_front_say_whose_cost_they_show():
    def line(number, accuracy, macs):
        metrics = {"accuracy": accuracy, "network/macs": macs, "backbone/macs": macs - 1280.0}
        return {**trial(number, accuracy, macs), "objectives": ["accuracy", "network/macs"], "metrics": metrics}

    shown = trial_report([line(0, 0.9, 39_300_000.0), line(1, 0.5, 2_560.0)])
    assert shown.front_rows == (
        ("trial", "accuracy", "multiply-adds, whole network", "multiply-adds, backbone"),
        ("0", "0.9", "39,300,000", "39,298,720"),
        ("1", "0.5", "2,560", "1,280"),
    )
    assert "multiply-adds, whole network" in shown.front


def test_pareto_front_of_hand_made_points():
    assert pareto_front([(1.0, 1.0), (2.0, 2.0), (0.5, 2.0), (2.0, 2.0)]) == [0, 1, 3]
    assert pareto_front([(3.0, 1.0, 1.0), (2.0, 0.5, 2.0), (2.0, 1.0, 1.0)]) == [0, 1]


@pytest.mark.parametrize("trials", [SINGLE, SEVERAL], ids=["one objective", "several"])
def test_the_page_holds_them(run_folder, trials):
    for file in ("history.jsonl", "metrics.csv"):  # of a supernet, which such a search does not have
        (run_folder / file).unlink()
    (run_folder / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in trials))
    page = build(run_folder).read_text()
    assert trial_report(trials).sentence in page
    assert ("Pareto front" in page) == (trials is SEVERAL)
    assert ("out of memory" in page) == (trials is SINGLE)
    assert "metrics.csv" not in page


def test_a_malformed_line_is_named(tmp_path):
    file = tmp_path / "trials.jsonl"
    file.write_text(json.dumps(SINGLE[0]) + "\n{}\n")
    with pytest.raises(ReportError, match="line 2: missing keys"):
        read_trials(file)
