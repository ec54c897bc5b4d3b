"""The result of a trial, and of trials that an earlier version has run."""

import dataclasses
import json
import random

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Timer

from lightning_nas.evaluation.contender import ContenderResult, Contest
from lightning_nas.search.costs import cost_of_task
from lightning_nas.spaces import NasBench201
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule

SPACE = NasBench201(channels=4, cells=1, in_channels=1, nodes=3)


def build():
    return SPACE.network(SPACE.sample(random.Random(0)))


def make_task(backbone):
    return ClassificationTask(backbone=backbone, num_classes=10)


def make_trainer(folder):
    return Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=1, logger=False, callbacks=[Timer()], enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_train_batches=1, limit_test_batches=1,
    )  # fmt: skip


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_nas.search.costs.SECONDS", 0.01)
    return Contest(tmp_path, make_task, make_trainer, DigitsDataModule(seed=0), seed=0)


def test_the_latency_of_the_found_network_is_kept_with_both_costs(runner):
    found, drawn = runner.run("found", "found", build), runner.run("random 0", "random", build)
    expected = cost_of_task(make_task(build()), runner.datamodule)
    assert (found.network.parameters, found.network.macs) == (expected.network.parameters, expected.network.macs)
    assert (drawn.backbone, drawn.network) == (expected.backbone, expected.network)
    assert found.backbone.latency.median_ms > 0
    assert found.network.latency.median_ms > 0
    assert runner.run("found", "found", build) == found  # as it was written
    assert runner.run("random 0", "random", build) == drawn


def test_a_result_of_an_earlier_version_is_counted_anew(runner, tmp_path):
    (tmp_path / "evaluation" / "found").mkdir(parents=True)
    old = {"name": "found", "kind": "found", "metrics": {"accuracy": 0.5}, "parameters": 1, "macs": 2, "seconds": 3.0}
    old["input_size"] = [1, 8, 8]
    (tmp_path / "evaluation" / "found" / "result.json").write_text(json.dumps(old))
    read = ContenderResult.from_dict(old)
    assert (read.backbone.parameters, read.backbone.macs, read.network) == (1, 2, None)
    result = runner.run("found", "found", build)
    expected = cost_of_task(make_task(build()), runner.datamodule)
    assert (result.metrics, result.seconds) == ({"accuracy": 0.5}, 3.0)
    assert (result.backbone.macs, result.network.macs) == (expected.backbone.macs, expected.network.macs)
    assert result.network.latency is not None


class Blind(pl.LightningModule):
    """Everything but a forward."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def training_step(self, batch, batch_idx):
        return self.backbone(batch[0])[-1].mean()

    def test_step(self, batch, batch_idx):
        self.log("test/accuracy", self.backbone(batch[0])[-1].mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_task_without_forward_is_tested_and_its_network_not_counted(runner):
    with pytest.warns(UserWarning, match="whole network is not known"):
        result = dataclasses.replace(runner, make_task=Blind).run("found", "found", build)
    assert result.network is None
    assert result.backbone.latency is not None
    assert set(result.metrics) == {"accuracy"}
