"""A search that ends with trained networks, as a user starts it."""

import json
import re

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import lightning_nas
from lightning_nas.runs.contents import Summary, checked

TINY = (
    "trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
    "search.epochs=1", "evaluate.epochs=1", "evaluate.random=1", "evaluate.alone=1", "evaluate.max_time=00:01:00:00",
    "data.batch_size=8", "logger=csv",
    "strategy.recalibration_batches=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def searched(here):
    """The networks inside of a ResNet-18, of which the front of four is kept."""
    here(
        "search", "space=elastic", "space.seed=resnet18", "space.expansions=[50]", "space.depths=[1]", "strategy=elastic",
        "strategy.exhaustive=0", "strategy.initial=4", "strategy.rounds=0", "strategy.front_size=4", *TINY,
        "hydra.run.dir=elastic",
    )  # fmt: skip
    return here.folder / "elastic"


def test_what_was_found_is_tested_with_the_weights_that_it_has(searched):
    summary = checked((searched / "summary.json").read_text(), Summary, "summary.json")
    front = json.loads((searched / "front.json").read_text())
    kinds = [entry["kind"] for entry in summary["comparison"]]
    assert kinds == ["found", *["front"] * (len(front["networks"]) - 1), "random", *["baseline"] * 3, "alone"]
    found, *others = summary["comparison"]
    assert found["seconds"] == 0
    assert summary["seconds"]["search"] > 0
    assert all(entry["seconds"] == 0 for entry in others if entry["kind"] == "front")
    assert all(entry["seconds"] > 0 for entry in others if entry["kind"] != "front")
    assert found["network"]["macs"] == front["networks"][front["chosen"]]["macs"]


def test_a_network_of_the_front_is_trained_by_itself_as_well(searched):
    *_, alone = json.loads((searched / "summary.json").read_text())["comparison"]
    front = json.loads((searched / "front.json").read_text())["networks"]
    assert alone["name"] == f"front {front[-1]['number']} by itself"
    assert alone["network"]["macs"] == front[-1]["macs"]
    assert alone["seconds"] > 0


def test_the_seed_network_in_its_usual_sizes_is_what_it_is_compared_with(searched):
    comparison = json.loads((searched / "summary.json").read_text())["comparison"]
    baselines = {entry["name"]: entry["network"]["parameters"] for entry in comparison if entry["kind"] == "baseline"}
    assert list(baselines) == ["resnet18", "resnet18 at 75 %", "resnet18 at 50 %"]
    assert sorted(baselines.values(), reverse=True) == list(baselines.values())
    page = (searched / "report.html").read_text()
    assert "resnet18 at 50 %" in page
    assert "Beside other networks" in page


def test_the_best_network_within_limits_is_exported_and_computes_the_same(here, searched, capsys):
    front = lightning_nas.load_front(searched)
    cheapest = min(front, key=lambda one: one.macs)
    here("export", "run=elastic", f"macs={cheapest.macs}", "latency_ms=10000")
    assert f"front/{cheapest.number}" in capsys.readouterr().out
    out = searched / "export"
    model = lightning_nas.load_model(out)
    assert model.record.architecture.provenance["front"] == cheapest.number
    assert model.record.metric == {
        "name": "accuracy", "value": cheapest.metric, "mode": "max", "on": "validation images",
    }  # fmt: skip
    latency = model.record.exported["onnx"]["latency"]
    assert latency["runtime"].startswith("onnxruntime")
    assert latency["median_ms"] <= 10000
    pixels = np.random.default_rng(0).integers(0, 256, (1, *model.image_size, 1), np.uint8)
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"pixels": pixels})
    np.testing.assert_allclose(answer[0], model.predict(pixels[0]).probabilities, atol=1e-4)


def test_every_network_of_the_front_is_a_model(searched):
    for network in lightning_nas.load_front(searched):
        state = lightning_nas.load_model(searched / "front" / str(network.number)).task.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in network.model().state_dict().items())
    assert lightning_nas.load_model(searched).record.cost["macs"] in {
        one.macs for one in lightning_nas.load_front(searched)
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "run = null: name the folder"),
        (["run=nowhere"], "model = 'nowhere': there is no such file or folder"),
        (["run=elastic", "latency_ms=0"], "latency_ms = 0.0: expected a positive number"),
        (["run=elastic", "latency_ms=1e-6"], "no network of the front is that fast here; the fastest takes"),
        (["run=elastic", "macs=1"], "no network keeps both; the least are"),
    ],
)
def test_an_export_that_cannot_be_is_refused(here, searched, arguments, said):
    with pytest.raises(SystemExit, match=re.escape(said)):
        here("export", *arguments)


def test_the_chosen_network_of_the_front_predicts(here, searched):
    images = here.folder / "images"
    images.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(images / "dark.png")
    here("predict", "run=elastic", "images=images", "device=cpu")
    found = json.loads((searched / "predictions" / "predictions.json").read_text())
    assert len(found["images"]) == 1
    assert len(found["classes"]) == 10
