"""The exported file in the tables of a report: its own metric, its own latency, and which network it is."""

import json
import re

import pytest
from searched_run import darts_v2

from lightning_nas.errors import ReportError
from lightning_nas.report.page import build
from lightning_nas.report.reading import read_run
from lightning_nas.runs import ModelFolder, RunFolder
from lightning_nas.spaces.published import published

LATENCY = {"median_ms": 1.25, "p10_ms": 1.0, "p90_ms": 1.5, "threads": 2, "runtime": "onnxruntime 9.9"}


def exported(folder, architecture=None, **known):
    """Leaves an exported model, whose record says what is known of the file."""
    place = ModelFolder(folder)
    place.path.mkdir(parents=True, exist_ok=True)
    place.onnx.touch()
    record = {
        "architecture": (architecture or darts_v2()).to_dict(),
        "cost": {"params": 152_612, "macs": 9_424_384},
        "exported": {"onnx": {"file": "../../secret", **known}},
    }
    place.record.write_text(json.dumps(record))
    return place


def rows(page, heading):
    section = page[page.index(f"<h2>{heading}</h2>") :].partition("</table>")[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in section.split("<tr")[1:]]


def test_metric_and_latency_are_those_of_the_file(run_folder):
    exported(RunFolder(run_folder).export, latency=LATENCY, tested={"metric": "accuracy", "value": 0.75})
    page = build(run_folder).read_text()
    assert rows(page, "Was it worth the search?")[2] == [
        "found, as model.onnx", "0.7500", "–", "152.61 k", "–", "9.42 M",
    ]  # fmt: skip
    assert [row[-1] for row in rows(page, "What it costs")] == [
        "found, as model.onnx", "152,612", "9,424,384", "1.25 ms", "1.00 to 1.50 ms",
    ]  # fmt: skip
    assert "onnxruntime 9.9, 2 threads, one image" in page
    assert "secret" not in page
    assert "lightning-nas predict" not in page, "the search has yet to be followed by a training"


@pytest.mark.parametrize(
    ("known", "reached"),
    [({}, "not tested"), ({"tested": {"metric": "f1", "value": 0.5}}, "not tested"),
     ({"tested": {"metric": "accuracy", "value": None}}, "–")],
)  # fmt: skip
def test_what_was_not_measured_is_said(run_folder, known, reached):
    exported(RunFolder(run_folder).export, **known)
    page = build(run_folder).read_text()
    assert rows(page, "Was it worth the search?")[2][1] == reached
    assert rows(page, "What it costs")[3][-1] == "not measured"


def test_another_network_of_the_front_is_named(run_folder):
    run, other = RunFolder(run_folder), published("darts_v1")
    exported(run.export, other)
    assert read_run(run_folder).exported.network == "another network"
    run.front_network(3).path.mkdir(parents=True)
    other.save(run.front_network(3).architecture)
    assert read_run(run_folder).exported.title == "front 3, as model.onnx"


def test_the_model_of_an_automatic_run_belongs_to_its_training(run_folder):
    training = run_folder.rename(run_folder.with_name("train"))
    exported(training.parent / "model")
    assert read_run(training).exported is None
    (training.parent / "auto.json").write_text("{}")
    assert read_run(training).exported.folder == training.parent / "model"


def test_without_the_file_or_its_record_there_is_none(run_folder):
    place = exported(RunFolder(run_folder).export)
    place.onnx.unlink()
    assert read_run(run_folder).exported is None
    place.onnx.touch()
    place.record.unlink()
    assert read_run(run_folder).exported is None


@pytest.mark.parametrize(
    ("known", "said"),
    [({"latency": {**LATENCY, "median_ms": float("inf")}}, "median_ms"), ({"latency": {"median_ms": 1.0}}, "p10_ms"),
     ({"tested": {"metric": 1, "value": 1.0}}, "metric"), ({"tested": {"metric": "a", "value": "1"}}, "value"),
     ({"latency": {**LATENCY, "threads": 0}}, "threads")],
)  # fmt: skip
def test_a_damaged_record_is_named(run_folder, known, said):
    exported(RunFolder(run_folder).export, **known)
    with pytest.raises(ReportError, match=f"model.json: .*{said}"):
        build(run_folder)
