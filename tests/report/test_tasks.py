"""What a task says of itself, in a report: told by the run's summary alone, whatever the task."""

import json
import re

import pytest
from PIL import Image
from searched_run import make_summary

from lightning_nas.errors import ReportError
from lightning_nas.report.ending import ending
from lightning_nas.report.multirun import collect, to_text
from lightning_nas.report.page import build

SAYS = {
    "headline": "rmse",
    "mode": "min",
    "tables": [
        {
            "title": "Errors by distance",
            "metrics": {"rmse_near": "near", "rmse_far": "far"},
            "note": "Far is beyond 5 m.",
            "rows": "networks",
            "corner": "Network",
        },
        {
            "title": "By thing",
            "metrics": {"rmse/a": "a", "rmse/b": "b", "rmse/none": "no such"},
            "note": "",
            "rows": "metrics",
            "corner": "Thing",
        },
        {"title": "Of nothing", "metrics": {"other": "other"}, "note": "", "rows": "networks", "corner": "Network"},
    ],
    "pictures": {"depths.png": "Image, truth, estimate.", "errors.jpg": "Where it is wrong."},
}


@pytest.fixture
def depth_run(run_folder):
    """A run of a task that the library has never heard of."""
    summary = make_summary(task="depth", data="boxes", presentation=SAYS)
    for entry, rmse in zip(summary["comparison"], (0.4, 0.5, 0.6, 0.7, 0.3), strict=True):
        entry["metrics"] = {"rmse": rmse, "rmse_near": rmse / 2, "rmse/a": rmse, "rmse/b": None, "abs_rel": 0.1}
    summary["metrics"] = summary["comparison"][0]["metrics"]
    (run_folder / "summary.json").write_text(json.dumps(summary))
    for name in ("found", "random_0", "random_1"):
        (run_folder / "evaluation" / name).mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(run_folder / "evaluation" / name / "depths.png")
    return run_folder


def test_the_metric_that_decides_is_the_tasks_and_may_be_better_when_smaller(depth_run):
    text = build(depth_run).read_text()
    assert "better than the random architectures by more than their spread (rmse 0.4000 against 0.6000" in text
    assert "It is worse than hand-made: residual (0.3000)" in text
    assert "rmse 0.4000 on the test images" in ending(depth_run)
    assert "task=depth data=boxes" in ending(depth_run)


def test_its_tables_and_pictures_are_shown(depth_run):
    text = build(depth_run).read_text()
    for said in ("<h2>Errors by distance</h2>", "Far is beyond 5 m.", "Image, truth, estimate."):
        assert said in text
    assert re.search(r"<td>found</td><td[^>]*>0.200</td><td[^>]*>–</td>", text)
    assert "<td>a</td>" in text
    assert not re.search("<td>(b|no such)</td>|Of nothing|Where it is wrong", text)
    assert text.count("data:image/png;base64,") == 2  # of the found network, and of one random one


def test_a_sweep_compares_by_it(depth_run, tmp_path):
    (depth_run / ".hydra").mkdir()
    (depth_run / ".hydra" / "overrides.yaml").write_text("- task=depth\n")
    settings = collect(depth_run.parent)
    assert settings[0].headline == "rmse"
    assert settings[0].values["random"] == [pytest.approx(0.6)]
    assert "rmse, random" in to_text(settings)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pictures": {"../../secret.png": ""}}, "../../secret.png"),
        ({"mode": "less"}, "'less'"),
        ({"tables": [{"title": "a"}]}, "metrics"),
        ({"tables": 1}, "int"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_a_summary_cannot_say_is_refused(depth_run, changed, said):
    summary = json.loads((depth_run / "summary.json").read_text())
    summary["presentation"] = {**SAYS, **changed}
    (depth_run / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ReportError, match=f"summary.json: presentation: .*{re.escape(said)}"):
        build(depth_run)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"map": 0.3, "map_small": 0.1}, ["Average precision by size", "White dashed boxes are true", "map 0.3000"]),
        (
            {"miou": 0.3, "f1": 0.2, "iou/traffic_light": 0.4},
            ["<td>traffic light</td>", "the truth (black", "miou 0.3"],
        ),
        ({"accuracy": 0.3, "abs": 0.1}, ["accuracy 0.3000"]),
        ({"loss": 0.3, "psnr": 0.1}, ["loss 0.3000"]),
    ],
)
def test_a_run_of_a_version_that_wrote_nothing_of_its_task_is_read(run_folder, metrics, said):
    summary = make_summary(classes=[{"id": 0, "name": "traffic light"}], metrics=metrics)
    for entry in summary["comparison"]:
        entry["metrics"] = metrics
    (run_folder / "summary.json").write_text(json.dumps(summary))
    Image.new("RGB", (4, 4)).save(run_folder / "evaluation" / "found" / "samples.jpg")
    text = build(run_folder).read_text()
    assert all(part in text for part in said)
    assert "data:image/jpeg;base64," in text
