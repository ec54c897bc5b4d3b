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


def test_a_folder_without_jobs_is_refused(tmp_path):
    with pytest.raises(ReportError, match="no jobs"):
        collect(tmp_path)
