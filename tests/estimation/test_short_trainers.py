"""Trainers that are cut short: what they see of a training that would be longer."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.estimation.limits import Limits
from lightning_nas.estimation.short import shortened
from lightning_nas.runs import RunFolder
from lightning_nas.search import Trainers

QUIET = {"accelerator": "cpu", "num_sanity_val_steps": 0}


class Tiny(pl.LightningModule):
    """Rests in its first epoch, if it is told to."""

    def __init__(self, rests=False):
        super().__init__()
        self.layer, self.rests, self.steps = torch.nn.Linear(2, 1), rests, 0

    def training_step(self, batch, batch_idx):
        self.logits_frozen = self.rests and self.trainer.current_epoch == 0
        self.steps += 1
        return self.layer(batch[0]).mean()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.layer(batch[0]).mean())

    def test_step(self, batch, batch_idx):
        self.log("test/loss", self.layer(batch[0]).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def loader(batches):
    return DataLoader(TensorDataset(torch.rand(2 * batches, 2)), 2)


def fitted(task, folder, limits, epochs=30, max_time=None, **arguments):
    short, recorder = shortened(Trainers({**QUIET, **arguments}), limits)
    trainer = short.training(folder, epochs, max_time=max_time)
    trainer.fit(task, loader(50), loader(20))
    return trainer, recorder


def test_few_batches_of_few_epochs_are_done_and_all_are_known(tmp_path):
    task = Tiny(rests=True)
    _, recorder = fitted(task, tmp_path, Limits(train=4, val=3, epochs=2))
    (fit,) = recorder.fits
    assert task.steps == 8
    assert (fit.asked, fit.batches, len(fit.epochs)) == (30, 50, 2)
    assert [len(epoch.times) for epoch in fit.epochs] == [4, 4]
    assert [epoch.resting for epoch in fit.epochs] == [True, False]
    assert [(len(e.validation.times), e.validation.batches) for e in fit.epochs] == [(3, 20), (3, 20)]
    assert fit.checkpoint == RunFolder(tmp_path).last_checkpoint.stat().st_size > 0
    assert 0 < fit.seen < 60
    assert all(epoch.overhead <= epoch.seconds for epoch in fit.epochs)
    assert recorder.memory.process > 2**20


def test_limits_that_the_whole_training_has_are_its_own(tmp_path):
    limits = Limits(train=4, val=3, epochs=1, asked={"limit_val_batches": 2})
    _, recorder = fitted(Tiny(), tmp_path, limits, limit_train_batches=0.5)
    assert (recorder.fits[0].batches, recorder.fits[0].epochs[0].validation.batches) == (25, 2)


def test_slow_steps_end_early_but_not_before_what_is_searched_was_seen(tmp_path):
    task = Tiny(rests=True)
    fitted(task, tmp_path, Limits(train=6, epochs=3, seconds=0.0))
    assert task.steps == 6 + 1


def test_a_training_that_a_timer_would_end_knows_when(tmp_path):
    _, recorder = fitted(Tiny(), tmp_path, Limits(train=3, epochs=1), max_time="00:00:05:00")
    assert recorder.fits[0].most == pytest.approx(300.0, abs=5.0)


def test_tests_and_validations_by_themselves_are_seen(tmp_path):
    short, recorder = shortened(Trainers(QUIET), Limits(val=2, test=3))
    trainer = short.silent(tmp_path)
    trainer.validate(Tiny(), loader(9), verbose=False)
    trainer.test(Tiny(), loader(8), verbose=False)
    assert [(len(loop.times), loop.batches) for loop in recorder.loops] == [(2, 9), (3, 8)]
    assert all(loop.seconds >= sum(loop.times) for loop in recorder.loops)
    assert recorder.fits == []


def test_one_device_is_measured_whatever_was_asked_for(tmp_path):
    short, _ = shortened(Trainers({**QUIET, "devices": 4, "strategy": "ddp"}), Limits())
    trainer = short.of_paths(tmp_path, 3, [], seed=0)
    assert trainer.world_size == 1
