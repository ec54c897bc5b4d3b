import csv
import json

import pytest
from searched_run import make_older_summary, make_summary

from lightning_nas.errors import ReportError
from lightning_nas.report.multirun import collect, write_table


def job(sweep, number, overrides, accuracy=None):
    folder = sweep / str(number)
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("".join(f"- {item}\n" for item in overrides))
    if accuracy is not None:
        summary = make_summary(metrics={"accuracy": accuracy})
        (folder / "summary.json").write_text(json.dumps(summary))


def test_jobs_that_differ_in_their_seed_share_a_row(tmp_path):
    for number, accuracy in enumerate((0.9, 0.92, 0.94)):
        job(tmp_path, number, ["strategy=darts", f"seed={number}"], accuracy)
    job(tmp_path, 3, ["strategy=gdas", "seed=0"], 0.8)
    job(tmp_path, 4, ["strategy=gdas", "seed=1"])
    darts, gdas = collect(tmp_path)
    assert darts.overrides == "strategy=darts"
    assert (darts.unfinished, gdas.unfinished) == (0, 1)
    text = write_table(tmp_path)
    assert "0.9200 ± 0.0200" in text
    table = (tmp_path / "table.csv").read_text().splitlines()
    assert len(table) == 3
    column = table[0].split(",").index("metrics/accuracy_mean")
    mean, spread, jobs = table[1].split(",")[column : column + 3]
    assert (float(mean), float(spread), int(jobs)) == (pytest.approx(0.92), pytest.approx(0.02), 3)
    assert table[2].split(",")[column + 1 : column + 3] == ["", "1"]


def test_what_there_was_nothing_to_measure_of_is_a_dash_in_the_table(tmp_path):
    for number, metrics in enumerate(({"map": 0.3, "map_large": 0.2}, {"map": 0.5}, {"map": None, "loss": None}, {})):
        job(tmp_path, number, [f"data.min={number // 2}", f"seed={number}"], 0.5)
        summary = make_summary(metrics=metrics)
        for entry in summary["comparison"]:
            entry["metrics"] = metrics
        (tmp_path / str(number) / "summary.json").write_text(json.dumps(summary))
    some, none = collect(tmp_path)
    assert some.values["metrics/map"] == [0.3, 0.5]
    assert some.values["metrics/map_large"] == [0.2]
    assert some.values["random"] == [pytest.approx(0.3), pytest.approx(0.5)]
    assert "metrics/map" not in none.values
    text = write_table(tmp_path)
    assert "0.4000 ± 0.1414" in text
    assert text.splitlines()[-2].count("–") == 2
    assert "nan" not in (tmp_path / "table.csv").read_text().lower()


def test_cost_is_told_of_the_backbone_and_of_the_whole_network(tmp_path):
    job(tmp_path, 0, ["strategy=darts"], 0.9)
    job(tmp_path, 1, ["strategy=older"], 0.9)
    (tmp_path / "1" / "summary.json").write_text(json.dumps(make_older_summary()))
    text = write_table(tmp_path)
    for number in ("151322", "152612", "9423104", "9424384", "14.21", "15.21"):
        assert number in text
    for title in ("backbone", "whole"):
        assert title in text
    with (tmp_path / "table.csv").open(newline="") as file:
        new, old = csv.DictReader(file)
    assert (new["network/macs_mean"], new["backbone/macs_mean"]) == ("9424384.0", "9423104.0")
    assert (new["network/latency_ms_mean"], new["backbone/latency_ms_mean"]) == ("15.21", "14.21")
    assert (old["network/macs_mean"], old["backbone/macs_mean"]) == ("", "9423104.0")
    assert (old["network/latency_ms_mean"], old["backbone/latency_ms_mean"]) == ("", "14.21")


def test_a_folder_without_jobs_is_refused(tmp_path):
    with pytest.raises(ReportError, match="no jobs"):
        collect(tmp_path)
