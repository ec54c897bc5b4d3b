"""A search that was interrupted in a user's own Trainer goes on to the same weights and logits, bit for bit."""

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint
from toy_project import Data, Project, make_trainer

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.search.persistence import LastCheckpoint
from lightning_nas.strategies import Darts, Gdas

EPOCHS = 3
BATCHES = 3  # of each half in an epoch


class CrashError(RuntimeError):
    pass


class CrashAt(Callback):
    def __init__(self, batch):
        self.batch, self.seen = batch, 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.seen == self.batch:
            raise CrashError
        self.seen += 1


class Scheduled(Project):
    """Dropout needs the random numbers back, the schedule and Adam their states."""

    def __init__(self):
        super().__init__(dropout=0.3)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), 0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


STRATEGIES = {
    "first order": lambda: Darts(lr=0.05),
    "second order": lambda: Darts(order=2, lr=0.05),
    "gdas": lambda: Gdas(lr=0.05),
}


def fit(folder, strategy, *, crash_at=None, resume=None, every=None, mode="min_size", fraction=0.5, **arguments):
    checkpoint = (
        LastCheckpoint(folder)
        if every is None
        else ModelCheckpoint(folder, filename="last", enable_version_counter=False, every_n_train_steps=every)
    )
    callbacks = [checkpoint] if crash_at is None else [checkpoint, CrashAt(crash_at)]
    trainer = make_trainer(EPOCHS, callbacks=callbacks, enable_checkpointing=True)
    search = SearchModule(Scheduled(), strategy, warmup_epochs=1, **arguments)
    trainer.fit(search, BilevelDataModule(Data(), mode=mode, fraction=fraction), ckpt_path=resume)
    return trainer, search


def assert_equal_after_crash(folder, make_strategy, crash_at, **arguments):
    whole_trainer, whole = fit(folder / "whole", make_strategy(), **arguments)
    with pytest.raises(CrashError):
        fit(folder / "broken", make_strategy(), crash_at=crash_at, **arguments)
    trainer, resumed = fit(folder / "broken", make_strategy(), resume=folder / "broken" / "last.ckpt", **arguments)
    assert trainer.global_step == whole_trainer.global_step
    state = whole.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in resumed.state_dict().items())
    assert resumed.architecture().hash == whole.architecture().hash
    assert resumed._counts == whole._counts


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_from_the_checkpoint_of_an_epoch(tmp_path, strategy):
    assert_equal_after_crash(tmp_path, STRATEGIES[strategy], crash_at=BATCHES + 1)


@pytest.mark.parametrize("crash_at", [5, 7])
def test_from_a_checkpoint_within_an_epoch_or_of_its_last_batch(tmp_path, crash_at):
    assert_equal_after_crash(tmp_path, STRATEGIES["gdas"], crash_at=crash_at, every=2)


def test_within_an_epoch_of_unequal_halves(tmp_path):
    arguments = {"mode": "max_size_cycle", "fraction": 2 / 3}  # 4 batches for the weights beside 2 for the logits
    assert_equal_after_crash(tmp_path, STRATEGIES["first order"], crash_at=8, every=7, **arguments)


def test_within_a_group_of_accumulated_batches(tmp_path):
    assert_equal_after_crash(tmp_path, STRATEGIES["first order"], crash_at=5, every=1, accumulate_grad_batches=2)


def test_a_checkpoint_of_another_space_model_or_strategy_is_refused(tmp_path):
    fit(tmp_path, Darts())
    last = tmp_path / "last.ckpt"
    with pytest.raises(ValueError, match="another search space"):
        fit(tmp_path, Gdas(), resume=last)

    class Larger(Scheduled):
        def __init__(self):
            super().__init__()
            self.extra = torch.nn.Linear(1, 1)

    search = SearchModule(Larger(), Darts(), warmup_epochs=1)
    with pytest.raises(ValueError, match="another search space"):
        make_trainer(EPOCHS).fit(search, BilevelDataModule(Data()), ckpt_path=last)
    plain = make_trainer(1, callbacks=[LastCheckpoint(tmp_path / "plain")], enable_checkpointing=True)
    plain.fit(Scheduled(), Data())
    with pytest.raises(ValueError, match="not written by a SearchModule"):
        fit(tmp_path, Darts(), resume=tmp_path / "plain" / "last.ckpt")
