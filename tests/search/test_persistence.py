"""A kill or a full disk at any moment: checkpoints are whole, metrics.csv is there."""

import csv
import errno
import os
import tempfile
import warnings

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.errors import CheckpointError
from lightning_nas.search.lightning.persistence import ContinuedCSVLogger, LastCheckpoint, last_checkpoint


class Line(pl.LightningModule):
    def __init__(self, at_epoch_end=lambda epoch: None):
        super().__init__()
        self.layer, self.at_epoch_end = nn.Linear(1, 1), at_epoch_end

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch[0]).mean()
        self.log("train/loss", loss)
        return loss

    def on_train_epoch_end(self):
        self.log("epochs", float(self.current_epoch))
        self.at_epoch_end(self.current_epoch)

    def validation_step(self, batch, batch_idx):
        return self.layer(batch[0]).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Killed(BaseException):
    """Nothing is called any more."""


def fit(folder, epochs=3, at_epoch_end=lambda epoch: None, resume=None):
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        logger=ContinuedCSVLogger(folder), callbacks=[LastCheckpoint(folder)],
    )  # fmt: skip
    trainer.fit(Line(at_epoch_end), DataLoader(TensorDataset(torch.ones(2, 1))), ckpt_path=resume)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"check_val_every_n_epoch": 2},
        {"check_val_every_n_epoch": 9},
        {"val_check_interval": 3},
        {"val_check_interval": 3, "check_val_every_n_epoch": None},
    ],
    ids=str,
)
def test_the_last_weights_are_kept_however_rare_validations_are(tmp_path, settings):
    data = DataLoader(TensorDataset(torch.ones(4, 1)))
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, logger=False,
        callbacks=[LastCheckpoint(tmp_path)], **settings,
    )  # fmt: skip
    line = Line()
    trainer.fit(line, data, data)
    kept = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert (kept["epoch"], kept["global_step"]) == (2, 12)
    assert torch.equal(kept["state_dict"]["layer.weight"], line.layer.weight)


def test_a_validation_within_an_epoch_leaves_a_checkpoint(tmp_path):
    class Dies(Line):
        def training_step(self, batch, batch_idx):
            if self.global_step == 7:
                raise Killed
            return super().training_step(batch, batch_idx)

    data = DataLoader(TensorDataset(torch.ones(4, 1)))
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, logger=False,
        callbacks=[LastCheckpoint(tmp_path)], val_check_interval=3,
    )  # fmt: skip
    with pytest.raises(Killed):
        trainer.fit(Dies(), data, data)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 7


def die_in(wanted):
    def at_epoch_end(epoch):
        if epoch == wanted:
            raise Killed

    return at_epoch_end


def interrupted(folder):
    """A run that was killed in its third epoch of four: two checkpoints are there."""
    with pytest.raises(Killed):
        fit(folder, 4, die_in(2))
    return folder / "checkpoints" / "last.ckpt", folder / "checkpoints" / "before_last.ckpt"


def epoch_of(path):
    return torch.load(path, weights_only=True)["epoch"]


def test_a_checkpoint_is_written_beside_its_place_not_among_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    fit(tmp_path, 2)
    assert epoch_of(tmp_path / "checkpoints" / "last.ckpt") == 1
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"], "the one before is not kept"


def test_a_disk_that_is_full_costs_the_new_checkpoint_alone_and_names_it(tmp_path, monkeypatch):
    last, _ = interrupted(tmp_path)
    whole = last.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device: '.*last.ckpt'"):
        fit(tmp_path, 4, lambda epoch: monkeypatch.setattr(os, "fsync", full), last_checkpoint(tmp_path))
    assert last.read_bytes() == whole
    assert {file.name for file in last.parent.iterdir()} == {"last.ckpt", "before_last.ckpt"}


def test_what_a_kill_has_left_half_written_is_cleared_away(tmp_path):
    last, _ = interrupted(tmp_path)
    (last.parent / ".last.ckpt.abc").write_bytes(b"half")
    fit(tmp_path, 4, resume=last_checkpoint(tmp_path))
    assert [file.name for file in last.parent.iterdir()] == ["last.ckpt"]


def flip_a_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", flip_a_bit])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, damage):
    last, before = interrupted(tmp_path)
    assert (epoch_of(last), epoch_of(before)) == (1, 0)
    assert last_checkpoint(tmp_path) == str(last)
    last.write_bytes(damage(last.read_bytes()))
    with pytest.warns(UserWarning, match=r"last.ckpt is damaged .* goes on from the one before"):
        assert last_checkpoint(tmp_path) == str(before)
    fit(tmp_path, 4, resume=before)
    assert epoch_of(last) == 3
    last.write_bytes(damage(last.read_bytes()))
    with pytest.raises(CheckpointError, match=r"last.ckpt is damaged .* delete it to train from the start"):
        last_checkpoint(tmp_path)


def test_a_kill_between_the_two_renames_loses_one_epoch(tmp_path):
    last, before = interrupted(tmp_path)
    last.unlink()
    assert last_checkpoint(tmp_path) == str(before)
    before.unlink()
    assert last_checkpoint(tmp_path) is None


def logged(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return [(row["step"], row["epoch"], row["epochs"], row["train/loss"]) for row in csv.DictReader(file)]


def test_metrics_survive_two_kills_in_a_row(tmp_path):
    """The second one comes before the resumed run has logged anything, the third within a line."""
    pl.seed_everything(0, verbose=False)
    fit(tmp_path / "whole", 4)
    pl.seed_everything(0, verbose=False)
    folder = tmp_path / "broken"
    interrupted(folder)
    known = logged(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is said of files that will be deleted
        logger = ContinuedCSVLogger(folder)
        assert logger.experiment is logger.experiment
    assert logged(folder) == known
    with (folder / "metrics.csv").open("a") as file:
        file.write("2,1")
    fit(folder, 4, resume=last_checkpoint(folder))
    assert logged(folder) == logged(tmp_path / "whole")
    fit(folder, 4, resume=last_checkpoint(folder))  # nothing is left to do
    assert logged(folder) == logged(tmp_path / "whole")
