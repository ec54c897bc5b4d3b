"""A segmentation search on two gloo ranks is that of one process with twice the batch; every image counts once."""

import pytest
import torch
from processes import run_ranks
from segmentation_ddp_worker import main

from lightning_nas.tasks.segmentation import StreetsDataModule


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    StreetsDataModule(str(folder / "data"), height=32, width=64, train=8, val=7, test=7, crop=[32, 32])
    run_ranks(main, str(folder / "two"), str(folder / "data"), 2, cwd=folder)
    main(str(folder / "one"), str(folder / "data"), 4)
    return [torch.load(folder / name) for name in ("two.0", "two.1", "one.0")]


def test_logits_and_weights_are_those_of_one_process(results):
    first, second, alone = (result["state"] for result in results)
    assert {name.split("logits.")[1] for name in alone if "logits" in name} == {"cell", "beta_rim", "beta_inner"}
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), f"ranks differ in {name}"
        if "metrics" not in name:
            torch.testing.assert_close(first[name], value, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("stage", ["validated", "tested"])
def test_metrics_of_seven_images_on_two_ranks_are_those_of_one(results, stage):
    first, second, alone = (result[stage] for result in results)
    assert first == second
    assert first == pytest.approx(alone, abs=1e-6)
    assert alone[f"{'val' if stage == 'validated' else 'test'}/miou"] > 0
