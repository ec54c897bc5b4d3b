import json

import pytest
from conftest import make_summary

from lightning_nas.report.multirun import collect, write_table
from lightning_nas.report.run_folder import ReportError


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


def test_a_folder_without_jobs_is_refused(tmp_path):
    with pytest.raises(ReportError, match="no jobs"):
        collect(tmp_path)
