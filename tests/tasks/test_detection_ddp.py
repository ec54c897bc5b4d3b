"""A detection search on two gloo ranks is that of one process with twice the batch; metrics count every image once."""

import pytest
import torch
from detection_ddp_worker import main
from processes import run_ranks

from lightning_nas.tasks.detection import ShapesDataModule
from lightning_nas.tasks.detection.metrics import NAMES


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    ShapesDataModule(str(folder / "data"), image_size=64, train=8, val=7, test=7)
    run_ranks(main, str(folder / "two"), str(folder / "data"), 2, cwd=folder)
    main(str(folder / "one"), str(folder / "data"), 4)
    return [torch.load(folder / name) for name in ("two.0", "two.1", "one.0")]


def test_logits_and_weights_are_those_of_one_process(results):
    first, second, alone = (result["state"] for result in results)
    assert any("logits" in name for name in alone)
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), f"ranks differ in {name}"
        torch.testing.assert_close(first[name], value, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("stage", ["validated", "tested"])
def test_metrics_of_seven_images_on_two_ranks_are_those_of_one(results, stage):
    first, second, alone = (result[stage] for result in results)
    assert first == second
    assert first == pytest.approx(alone, abs=1e-6)
    # Images of 64 px hold small objects alone: what the others would give is left out on both ranks.
    assert {name.partition("/")[2] for name in alone} == {
        name for name in NAMES if not name.endswith(("medium", "large"))
    }
    if stage == "tested":
        assert max(alone.values()) > 0
