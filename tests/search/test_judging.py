"""The best epoch is kept, a training that does not rise ends, and a kill at any moment changes neither."""

import importlib
import math
from functools import cache

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from toy_project import FAMILIES, QUIET

from lightning_nas.errors import ArgumentError, CheckpointError, JobError
from lightning_nas.runs import RunFolder
from lightning_nas.search import BestCheckpoint, StopWithoutRise, Trainers

SCORES = (0.1, 0.5, 0.3, 0.5, 0.2)
DATA = DataLoader(TensorDataset(torch.ones(1, 1)))


class Killed(BaseException):
    """Nothing is called any more."""


@cache
def ramp_of(family):
    """A module whose weight is minus the number of epochs, and whose scores are given."""
    pl = importlib.import_module(family)

    class Ramp(pl.LightningModule):
        headline = "score"

        def __init__(self, scores=SCORES, die=(None, None)):
            super().__init__()
            self.weight, self.scores, self.die = nn.Parameter(torch.zeros(1)), scores, die

        def training_step(self, batch, batch_idx):
            return self.weight.sum()

        def validation_step(self, batch, batch_idx):
            self.log("val/score", self.scores[self.current_epoch], sync_dist=True)
            self.log("val/loss", 1 - self.scores[self.current_epoch], sync_dist=True)

        def on_validation_end(self):  # after that of the callbacks
            self._perhaps_die("validation")

        def on_train_epoch_end(self):  # the same, but checkpoints of the last epoch come later
            self._perhaps_die("epoch")

        def _perhaps_die(self, moment):
            if self.die == (moment, self.current_epoch):
                raise Killed

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 1.0)

    class Minimised(Ramp):
        headline_mode = "min"

    class Silent(Ramp):
        headline = None

    return pl, {"max": Ramp, "min": Minimised, "loss": Silent}


def fit(folder, module, pl, *callbacks, epochs=5, resume=None, validation=DATA, **arguments):
    last = pl.callbacks.ModelCheckpoint(
        folder / "checkpoints", filename="last", save_top_k=1, every_n_epochs=1, enable_version_counter=False
    )
    trainer = pl.Trainer(
        **{**QUIET, "enable_checkpointing": True}, max_epochs=epochs, accelerator="cpu", callbacks=[*callbacks, last],
        default_root_dir=folder, num_sanity_val_steps=1, **arguments,
    )  # fmt: skip
    trainer.fit(module, DATA, validation, ckpt_path=resume)
    return trainer


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("kind", "best"), [("max", 1), ("min", 0), ("loss", 1)])
def test_a_training_ends_with_the_weights_of_its_best_epoch(tmp_path, family, kind, best):
    pl, kinds = ramp_of(family)
    module, keeper = kinds[kind](), BestCheckpoint()
    fit(tmp_path, module, pl, keeper)
    kept, last = (
        torch.load(path, weights_only=True)
        for path in (RunFolder(tmp_path).best_checkpoint, RunFolder(tmp_path).last_checkpoint)
    )
    assert (keeper.epoch, module.weight.item()) == (best, -best - 1)
    assert (kept["epoch"], kept["state_dict"]["weight"].item()) == (best, -best - 1)
    assert (last["epoch"], last["state_dict"]["weight"].item()) == (4, -5)
    assert RunFolder(tmp_path).network_checkpoint.name == "best.ckpt"


@pytest.mark.parametrize(
    ("family", "moment", "epoch"),
    [
        *((FAMILIES[0], moment, epoch) for moment in ("validation", "epoch") for epoch in (0, 1, 2)),
        (FAMILIES[1], "validation", 1),
    ],
)
def test_a_kill_changes_nothing_that_is_kept(tmp_path, family, moment, epoch):
    """Epoch 1 is the best: killed after its validation, the best checkpoint is newer than the last one."""
    pl, kinds = ramp_of(family)
    run = RunFolder(tmp_path)
    with pytest.raises(Killed):
        fit(tmp_path, kinds["max"](die=(moment, epoch)), pl, BestCheckpoint())
    module, keeper = kinds["max"](), BestCheckpoint()
    fit(tmp_path, module, pl, keeper, resume=run.last_checkpoint if run.last_checkpoint.is_file() else None)
    assert (keeper.epoch, keeper.score, module.weight.item()) == (1, 0.5, -2.0)
    assert torch.load(run.best_checkpoint, weights_only=True)["state_dict"] == module.state_dict()


def test_a_finished_training_is_resumed_with_its_best_weights(tmp_path):
    pl, kinds = ramp_of(FAMILIES[0])
    run = RunFolder(tmp_path)
    fit(tmp_path, kinds["max"](), pl, BestCheckpoint())
    written = run.best_checkpoint.read_bytes()
    module = kinds["max"]()
    fit(tmp_path, module, pl, BestCheckpoint(), resume=run.last_checkpoint)
    assert (module.weight.item(), run.best_checkpoint.read_bytes()) == (-2.0, written)
    run.best_checkpoint.unlink()
    with pytest.raises(CheckpointError, match=r"best.ckpt is gone"):
        fit(tmp_path, kinds["max"](), pl, BestCheckpoint(), resume=run.last_checkpoint)


def test_what_is_kept_is_checked_when_a_training_goes_on(tmp_path):
    pl, kinds = ramp_of(FAMILIES[0])
    run = RunFolder(tmp_path)
    with pytest.raises(Killed):
        fit(tmp_path, kinds["max"](die=("epoch", 2)), pl, BestCheckpoint())
    run.best_checkpoint.write_bytes(run.best_checkpoint.read_bytes()[:99])
    with pytest.raises(CheckpointError, match=r"best.ckpt is damaged"):
        fit(tmp_path, kinds["max"](), pl, BestCheckpoint(), resume=run.last_checkpoint)
    run.best_checkpoint.write_bytes(run.last_checkpoint.read_bytes())
    checkpoint = torch.load(run.last_checkpoint, weights_only=True)
    torch.save({**checkpoint, "callbacks": {}}, run.best_checkpoint)
    with pytest.raises(CheckpointError, match=r"does not say how good it is"):
        fit(tmp_path, kinds["max"](), pl, BestCheckpoint(), resume=run.last_checkpoint)


def test_a_training_that_starts_anew_forgets_what_an_earlier_one_has_kept(tmp_path):
    pl, kinds = ramp_of(FAMILIES[0])
    fit(tmp_path, kinds["max"](), pl, BestCheckpoint())
    module = kinds["max"](scores=(0.3, 0.2))
    fit(tmp_path, module, pl, BestCheckpoint(), epochs=2)
    assert module.weight.item() == -1.0


def test_scores_that_are_no_numbers_are_never_the_best(tmp_path):
    pl, kinds = ramp_of(FAMILIES[0])
    module = kinds["max"](scores=(math.nan, 0.1))
    fit(tmp_path, module, pl, BestCheckpoint(), epochs=2)
    assert module.weight.item() == -2.0
    module = kinds["max"](scores=(math.nan, math.nan))
    with pytest.warns(UserWarning, match="no validation has given a number"):
        fit(tmp_path, module, pl, BestCheckpoint(), epochs=2)
    assert module.weight.item() == -2.0
    assert not RunFolder(tmp_path).best_checkpoint.exists()


def test_averaged_weights_are_kept_where_they_are_what_was_validated(tmp_path):
    """The mean of -1 and -2, the weights after epochs 0 and 1: what Lightning has validated in epoch 1."""
    pl, kinds = ramp_of(FAMILIES[0])
    module = kinds["max"]()
    fit(tmp_path, module, pl, pl.callbacks.WeightAveraging(), BestCheckpoint())
    assert module.weight.item() == -1.5


@pytest.mark.parametrize(
    ("arguments", "kind", "epochs"),
    [({"patience": 1}, "max", 3), ({"patience": 2}, "loss", 4), ({"patience": 3}, "max", 5),
     ({"patience": 2, "min_delta": 0.4}, "max", 3), ({"patience": 1}, "min", 2)],
)  # fmt: skip
def test_a_training_ends_after_so_many_validations_without_a_rise(tmp_path, arguments, kind, epochs):
    pl, kinds = ramp_of(FAMILIES[0])
    trainer = fit(tmp_path, kinds[kind](), pl, StopWithoutRise(**arguments))
    assert trainer.current_epoch == epochs
    again = fit(tmp_path, kinds[kind](), pl, StopWithoutRise(**arguments), resume=RunFolder(tmp_path).last_checkpoint)
    assert again.global_step == epochs, "what had ended does not go on"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_kill_does_not_change_when_a_training_ends(tmp_path, family):
    pl, kinds = ramp_of(family)
    with pytest.raises(Killed):
        fit(tmp_path, kinds["max"](die=("validation", 3)), pl, StopWithoutRise(2), BestCheckpoint())
    module = kinds["max"]()
    resumed = RunFolder(tmp_path).last_checkpoint
    assert fit(tmp_path, module, pl, StopWithoutRise(2), BestCheckpoint(), resume=resumed).current_epoch == 4
    assert module.weight.item() == -2.0


@pytest.mark.parametrize("callback", [BestCheckpoint, StopWithoutRise])
def test_a_training_without_validation_is_refused_before_it_starts(tmp_path, callback):
    pl, kinds = ramp_of(FAMILIES[0])
    for arguments in ({"validation": None}, {"limit_val_batches": 0}):
        module = kinds["max"]()
        with pytest.raises(JobError, match=r"callbacks.(best|early_stopping) judges a network on validation images"):
            fit(tmp_path, module, pl, callback(), **arguments)
        assert module.weight.item() == 0.0


def test_arguments_out_of_range_are_named():
    with pytest.raises(ArgumentError, match="patience must be at least 1, got 0"):
        StopWithoutRise(0)
    for value in (-0.1, math.nan, math.inf):
        with pytest.raises(ArgumentError, match="min_delta must be at least 0"):
            StopWithoutRise(min_delta=value)


def test_only_a_training_whose_network_is_kept_is_judged(tmp_path):
    pl, _ = ramp_of(FAMILIES[0])
    own = pl.callbacks.LearningRateMonitor()
    trainers = Trainers({"accelerator": "cpu"}, callbacks=lambda folder: [BestCheckpoint(folder), own])
    kinds = [
        {type(callback) for callback in trainers.training(tmp_path, 1, kept=kept).callbacks} for kept in (True, False)
    ]
    assert BestCheckpoint in kinds[0] - kinds[1]
    assert type(own) in kinds[0] & kinds[1]
