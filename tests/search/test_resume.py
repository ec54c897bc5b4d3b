"""A search that was interrupted in a user's own Trainer goes on to the same weights and logits, bit for bit."""

import pytest
import torch
from torch.utils.data import DataLoader
from toy_project import SPACE, TWO_NODES, dataset

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.search.lightning.persistence import LastCheckpoint
from lightning_nas.strategies import Darts

EPOCHS = 3
BATCHES = 3  # of each half in an epoch


class CrashError(RuntimeError):
    pass


def crash_at(toy, batch):
    class CrashAt(toy.pl.Callback):
        seen = 0

        def on_train_batch_start(self, trainer, pl_module, data, batch_idx):
            if self.seen == batch:
                raise CrashError
            self.seen += 1

    return CrashAt()


def scheduled(toy, space=SPACE):
    class Scheduled(toy.Project):
        """Dropout needs the random numbers back, the schedule and Adam their states."""

        def __init__(self):
            super().__init__(space, dropout=0.3)

        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters(), 0.01)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
            return {"optimizer": optimizer, "lr_scheduler": schedule}

    return Scheduled


STRATEGIES = {
    "first order": lambda: Darts(lr=0.05),
    "second order": lambda: Darts(order=2, lr=0.05),
    "gdas": lambda: Darts(sampler="gumbel_hard", lr=0.05),
}


def fit(
    toy,
    folder,
    strategy,
    *,
    crash=None,
    resume=None,
    every=None,
    mode="min_size",
    fraction=0.5,
    limit=None,
    **arguments,
):
    checkpoint = (
        LastCheckpoint(folder)
        if every is None
        else toy.pl.callbacks.ModelCheckpoint(
            folder / "checkpoints", filename="last", enable_version_counter=False, every_n_train_steps=every
        )
    )
    callbacks = [checkpoint] if crash is None else [checkpoint, crash_at(toy, crash)]
    trainer = toy.make_trainer(
        EPOCHS, callbacks=callbacks, enable_checkpointing=True, default_root_dir=folder, limit_train_batches=limit
    )
    space = TWO_NODES if strategy.sampler.hard else SPACE
    search = SearchModule(scheduled(toy, space)(), strategy, warmup_epochs=1, **arguments)
    trainer.fit(search, BilevelDataModule(toy.Data(), mode=mode, fraction=fraction), ckpt_path=resume)
    return trainer, search


WHOLE = {}
"""Searches without an interruption: they end alike, wherever they save checkpoints."""


def assert_equal_after_crash(toy, folder, make_strategy, crash, **arguments):
    own = (toy.pl.__name__, make_strategy, *((name, arguments[name]) for name in sorted(arguments) if name != "every"))
    if own not in WHOLE:
        WHOLE[own] = fit(toy, folder / "whole", make_strategy(), **arguments)
    whole_trainer, whole = WHOLE[own]
    with pytest.raises(CrashError):
        fit(toy, folder / "broken", make_strategy(), crash=crash, **arguments)
    trainer, resumed = fit(
        toy, folder / "broken", make_strategy(), resume=folder / "broken" / "checkpoints" / "last.ckpt", **arguments
    )
    assert trainer.global_step == whole_trainer.global_step
    state = whole.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in resumed.state_dict().items())
    assert resumed.architecture().hash == whole.architecture().hash
    assert resumed._counts == whole._counts


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_from_the_checkpoint_of_an_epoch(toy, tmp_path, strategy):
    assert_equal_after_crash(toy, tmp_path, STRATEGIES[strategy], BATCHES + 1)


@pytest.mark.parametrize("crash", [5, 7])
def test_from_a_checkpoint_within_an_epoch_or_of_its_last_batch(toy, tmp_path, crash):
    assert_equal_after_crash(toy, tmp_path, STRATEGIES["gdas"], crash, every=2)


def test_within_an_epoch_of_unequal_halves(toy, tmp_path):
    arguments = {"mode": "max_size_cycle", "fraction": 2 / 3}  # 4 batches for the weights beside 2 for the logits
    assert_equal_after_crash(toy, tmp_path, STRATEGIES["first order"], 8, every=7, **arguments)


@pytest.mark.parametrize("every", [None, 1, 3])
def test_of_epochs_with_fewer_batches_than_there_are(toy, tmp_path, every):
    assert_equal_after_crash(toy, tmp_path, STRATEGIES["first order"], 3, every=every, limit=2)


@pytest.mark.parametrize("strategy", ["first order", "second order"])
def test_within_a_group_of_accumulated_batches(toy, tmp_path, strategy):
    assert_equal_after_crash(toy, tmp_path, STRATEGIES[strategy], 5, every=1, accumulate_grad_batches=2)


def test_a_checkpoint_of_another_space_model_or_strategy_is_refused(toy, tmp_path):
    fit(toy, tmp_path, Darts())
    last = tmp_path / "checkpoints" / "last.ckpt"
    with pytest.raises(ValueError, match="another search space"):
        fit(toy, tmp_path, Darts(sampler="gumbel_hard"), resume=last)

    class Larger(scheduled(toy)):
        def __init__(self):
            super().__init__()
            self.extra = torch.nn.Linear(1, 1)

    search = SearchModule(Larger(), Darts(), warmup_epochs=1)
    with pytest.raises(ValueError, match="another search space"):
        toy.make_trainer(EPOCHS).fit(search, BilevelDataModule(toy.Data()), ckpt_path=last)
    plain = toy.make_trainer(
        1, callbacks=[LastCheckpoint(tmp_path / "plain")], enable_checkpointing=True, default_root_dir=tmp_path
    )
    plain.fit(scheduled(toy)(), toy.Data())
    with pytest.raises(ValueError, match="not written by a SearchModule"):
        fit(toy, tmp_path, Darts(), resume=tmp_path / "plain" / "checkpoints" / "last.ckpt")


def test_a_checkpoint_of_an_earlier_version_is_refused_in_words(toy, tmp_path):
    fit(toy, tmp_path, Darts())
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)
    del checkpoint["lightning_nas"]["optimizer"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    with pytest.raises(ValueError, match="earlier version"):
        fit(toy, tmp_path, Darts(), resume=tmp_path / "old.ckpt")


@pytest.mark.parametrize("interval", [1.0, 1], ids=["after the epoch", "after every batch"])
@pytest.mark.parametrize("sampler", ["gumbel_hard", "gumbel_soft"])
def test_a_validation_disturbs_nothing_though_it_draws_and_is_made_again(toy, tmp_path, sampler, interval):
    class Drawing(scheduled(toy, TWO_NODES)):
        def validation_step(self, batch, batch_idx):
            torch.rand(1)
            return super().validation_step(batch, batch_idx)

    class Validated(toy.Data):
        def val_dataloader(self):
            return DataLoader(dataset(8), 8)

    def fitted(folder, crash=None, resume=None):
        checkpoint = toy.pl.callbacks.ModelCheckpoint(
            folder, save_last=True, save_top_k=-1, monitor="val/loss", save_on_train_epoch_end=False
        )
        callbacks = [checkpoint] if crash is None else [checkpoint, crash_at(toy, crash)]
        arguments = {"callbacks": callbacks, "enable_checkpointing": True, "num_sanity_val_steps": 1}
        search = SearchModule(Drawing(), Darts(sampler=sampler, lr=0.05))
        trainer = toy.make_trainer(2, val_check_interval=interval, **arguments)
        trainer.fit(search, BilevelDataModule(Validated()), ckpt_path=resume)
        return search.state_dict()

    whole = fitted(tmp_path / "whole")
    with pytest.raises(CrashError):
        fitted(tmp_path / "broken", crash=BATCHES + 1)
    resumed = fitted(tmp_path / "broken", resume=tmp_path / "broken" / "last.ckpt")
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())


# ---- a schedule that waits for a metric of the validation -------------------------------------------------------------


def plateau(toy):
    class Plateau(toy.Project):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=1e9)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val/loss"}}

    class Validated(toy.Data):
        def val_dataloader(self):
            return DataLoader(dataset(8), 8)

    return SearchModule(Plateau(), Darts(lr=0.05)), BilevelDataModule(Validated())


@pytest.mark.parametrize(
    "arguments",
    [
        {"monitor": "val/loss", "save_last": True, "save_on_train_epoch_end": False},
        {"save_last": True, "every_n_train_steps": BATCHES},
        {"monitor": "val/loss", "save_last": True, "save_on_train_epoch_end": True},
    ],
    ids=["after the validation", "at the last batch", "at the end of the epoch"],
)
@pytest.mark.parametrize("other", [False, True], ids=["own callback", "callback of the other package"])
def test_a_plateau_schedule_survives_a_checkpoint_before_the_end_of_an_epoch(toy, tmp_path, arguments, other):
    package = "lightning.pytorch" if (toy.pl.__name__ == "pytorch_lightning") == other else "pytorch_lightning"
    callbacks = __import__(f"{package}.callbacks", fromlist=["callbacks"])
    search, data = plateau(toy)
    checkpoint = callbacks.ModelCheckpoint(tmp_path, **arguments)
    settings = {
        "default_root_dir": tmp_path,
        "enable_checkpointing": True,
    }  # a Trainer adds its own to one of the other package
    toy.make_trainer(1, callbacks=[checkpoint], **settings).fit(search, data)
    search, data = plateau(toy)
    trainer = toy.make_trainer(3)
    trainer.fit(search, data, ckpt_path=tmp_path / "last.ckpt")
    assert (trainer.current_epoch, trainer.global_step) == (3, 3 * BATCHES)
    assert trainer.optimizers[0].param_groups[0]["lr"] < 0.05
