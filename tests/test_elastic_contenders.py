"""A search that ends with trained networks, as a user starts it."""

import json

import pytest

from lightning_nas.runs.contents import Summary, checked

TINY = (
    "trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
    "search.epochs=1", "evaluate.epochs=1", "evaluate.random=1", "data.batch_size=8", "strategy.recalibration_batches=1",
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
    assert kinds == ["found", *["front"] * (len(front["networks"]) - 1), "random", *["baseline"] * 3]
    found, *others = summary["comparison"]
    assert found["seconds"] == 0
    assert all(entry["seconds"] == 0 for entry in others if entry["kind"] == "front")
    assert all(entry["seconds"] > 0 for entry in others if entry["kind"] != "front")
    assert found["network"]["macs"] == front["networks"][front["chosen"]]["macs"]


def test_the_seed_network_in_its_usual_sizes_is_what_it_is_compared_with(searched):
    comparison = json.loads((searched / "summary.json").read_text())["comparison"]
    baselines = {entry["name"]: entry["network"]["parameters"] for entry in comparison if entry["kind"] == "baseline"}
    assert list(baselines) == ["resnet18", "resnet18 at 75 %", "resnet18 at 50 %"]
    assert sorted(baselines.values(), reverse=True) == list(baselines.values())
    assert "resnet18 at 50 %" in (searched / "report.html").read_text()
