"""An automatic run: which commands it starts, and that it goes on where it was interrupted."""

import json

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra.errors import HydraException
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.commands import auto
from lightning_nas.commands.automating import overrides
from lightning_nas.commands.groups import register_training_keys
from lightning_nas.commands.schema import register_schemas
from lightning_nas.errors import ConfigError, JobError
from lightning_nas.estimation.pace import Pace, measure
from lightning_nas.runs.automatic import AutomaticFolder
from lightning_nas.search import Trainers
from lightning_nas.spaces import Elastic


class Commands:
    """Stands for the commands: checks that their settings compose, leaves what the next one needs, may be interrupted."""

    def __init__(self, folder, interrupted=None):
        self.folder, self.interrupted, self.calls = AutomaticFolder(folder), interrupted, []

    def __call__(self, name, given):
        self.calls.append((name, list(given)))
        if name == self.interrupted:
            raise KeyboardInterrupt
        if name == "export":
            return
        config = overrides.composed(name, [item for item in given if not item.startswith("hydra.")])
        if name == "search":
            assert config.search.epochs >= 1
            space = Elastic("mobilenet_v2")
            run = self.folder.search
            run.front_network(0).path.mkdir(parents=True)
            space.architecture(space.smallest()).save(run.front_network(0).architecture)
            entry = {"number": 0, "metric": 0.5, "inherited": 0.5, "macs": 1, "params": 1, "latency": None}
            record = {"metric": "val/accuracy", "cost": "macs", "chosen": 0, "measured": 1, "networks": [entry]}
            run.front_record.write_text(json.dumps(record))
            run.summary.write_text("{}")
        else:
            assert config.epochs >= 1
            self.folder.training.path.mkdir(parents=True, exist_ok=True)
            self.folder.training.summary.write_text("{}")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two classes of a dozen images each; steps are not measured, and there is no card without results."""
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(np.zeros((80, 70, 3), np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(overrides, "measure", lambda *arguments: Pace(0.1, 0.05, 6, 1, start=1.0, memory=2**30))
    monkeypatch.setattr(auto, "write_card", lambda *arguments: None)
    monkeypatch.setattr(auto, "test_seconds", lambda folder, images: float(images))  # one for each
    monkeypatch.setattr(auto, "weights_at_hand", lambda seed: None)
    register_schemas()
    register_training_keys()
    return tmp_path / "photos"


SETTINGS = ["data=photos", "time=10m", "out=run", "latency_ms=20", "task.lr=0.5", "search.epochs=7", "epochs=9"]


def test_it_searches_trains_and_exports_and_what_the_user_says_wins(photos, capsys):
    commands = Commands("run")
    auto.run(SETTINGS, commands)
    assert [name for name, _ in commands.calls] == ["search", "train", "export"]
    given = {name: dict(item.split("=", 1) for item in items) for name, items in commands.calls}
    assert given["search"]["strategy.max_latency_ms"] == "20"
    assert given["search"]["search.epochs"] == "7"
    assert given["search"]["evaluate.max_time"].startswith("00:00:")
    assert given["train"]["epochs"] == "9"
    assert given["train"]["callbacks.early_stopping.patience"] == "50"  # a third of 150
    assert given["train"]["architecture"] == "run/search/front/0"
    assert given["search"]["task.lr"] == given["train"]["task.lr"] == "0.5"
    assert given["export"]["run"] == "run/train"
    assert given["export"]["test"] == "true"
    said = capsys.readouterr().out
    assert "found:    class folders, so task=classification data=imagefolder" in said
    assert "none of mobilenet_v2 are at hand" in said
    assert "plan:     images of 64 pixels, 4 a batch" in said


def test_what_the_training_will_not_take_is_refused_before_the_search(photos):
    commands = Commands("run")
    with pytest.raises(HydraException, match="drop_pat"):
        auto.run([*SETTINGS, "drop_pat=0.5"], commands)
    assert commands.calls == []
    auto.run([*SETTINGS, "callbacks=best"], commands)
    assert not any("patience" in item for item in commands.calls[1][1])


def test_an_interrupted_run_goes_on_with_the_same_plan(photos, capsys):
    first = Commands("run", interrupted="train")
    with pytest.raises(KeyboardInterrupt):
        auto.run(SETTINGS, first)
    second = Commands("run")
    auto.run(SETTINGS, second)
    assert [name for name, _ in second.calls] == ["train", "export"]
    assert second.calls[0] == first.calls[1]
    assert "resumed:" in capsys.readouterr().out
    third = Commands("run")
    auto.run(SETTINGS, third)
    assert [name for name, _ in third.calls] == ["export"]


def test_another_command_is_refused_in_the_folder_of_a_run(photos):
    auto.run(SETTINGS, Commands("run"))
    with pytest.raises(ConfigError, match=r"another command was run there, .* latency_ms \(20\.0, now 10\.0\)"):
        auto.run([*SETTINGS[:3], "latency_ms=10", *SETTINGS[4:]], Commands("run"))


def test_a_run_that_would_not_fit_on_the_disk_is_refused_before_it_begins(photos, monkeypatch):
    monkeypatch.setattr(auto, "free_disk", lambda folder: 10**6)
    pace = Pace(0.1, 0.05, 6, 1, start=1.0, memory=2**30, checkpoint=2**21, weights=2**20)
    monkeypatch.setattr(overrides, "measure", lambda *arguments: pace)
    commands = Commands("run")
    with pytest.raises(
        ConfigError, match=r"out = run: the run needs about \d+.* MiB of disk, and 977 KiB are free there"
    ):
        auto.run(SETTINGS, commands)
    assert commands.calls == []


class Tiny(pl.LightningModule):
    """Something that can be trained."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).mean()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.layer(batch[0]).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Points(pl.LightningDataModule):
    """Twenty batches to train on, three to validate on."""

    def __init__(self, train=40, val=6):
        super().__init__()
        self.sizes = train, val

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.rand(self.sizes[0], 2)), 2)

    def val_dataloader(self):
        return DataLoader(TensorDataset(torch.rand(self.sizes[1], 2)), 2)


def test_a_few_steps_are_measured():
    pace = measure(Trainers({"accelerator": "cpu"}), Tiny(), Points())
    assert (pace.train_batches, pace.val_batches) == (20, 3)
    assert 0 < pace.train_step < 5
    assert pace.memory > 10**6
    assert pace.epoch == pytest.approx(20 * pace.train_step + 3 * pace.val_step)


def test_data_without_a_batch_are_named():
    with pytest.raises(JobError, match="no batch to train on, or none to validate on"):
        measure(Trainers({"accelerator": "cpu"}), Tiny(), Points(val=0))
