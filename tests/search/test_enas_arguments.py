"""ENAS: every argument has an effect, mistakes are named."""

from types import SimpleNamespace

import pytest
import torch
from enas_search import QUICK, fit, flat
from pytorch_lightning.strategies import DDPStrategy
from toy_paths import SPACE, Data, Task, make_trainer

from lightning_nas.search import ControllerPhase, SampledPaths, WeightsHalf
from lightning_nas.search.headline import validation_score
from lightning_nas.strategies import Enas


def found(**settings):
    torch.manual_seed(0)
    _, phase, _ = fit(**settings)
    return flat(phase.controller.policy), phase.shortlist().candidates


@pytest.fixture(scope="module")
def usual():
    """What is found with the usual arguments."""
    return found()


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "lstm"}, {"lr": 0.2}, {"controller_steps": 2}, {"controller_batch": 3}, {"entropy_weight": 0.3},
        {"baseline_decay": 0.5}, {"baseline_correction": True}, {"temperature": 1.0}, {"tanh_constant": None},
        {"batch_statistics": False}, {"metric": "-val/loss"}, {"seed": 1}, {"derive": 2}, {"warmup_epochs": 1},
    ],
    ids=str,
)  # fmt: skip
def test_every_argument_changes_the_search(usual, change):
    (policy, drawn), (other_policy, other_drawn) = usual, found(**change)
    if "derive" in change:
        assert (len(drawn), len(other_drawn)) == (5, 2)
    else:
        assert not torch.equal(policy, other_policy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "gru"}, {"lr": 0.0}, {"controller_steps": 0}, {"controller_batch": 0}, {"entropy_weight": -1.0},
        {"baseline_decay": 1.0}, {"skip_weight": -0.1}, {"skip_target": 1.0}, {"temperature": 0.0}, {"tanh_constant": -1.0},
        {"derive": 0}, {"seed": -1},
    ],
    ids=str,
)  # fmt: skip
def test_mistakes_are_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} must .* got {value!r}"):
        Enas(**wrong)


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ValueError, match="warmup_epochs must be at least 0, got -1"):
        ControllerPhase(Enas(), warmup_epochs=-1)
    trainer = make_trainer(callbacks=[ControllerPhase(Enas(**QUICK))])
    with pytest.raises(ValueError, match=r"WeightsHalf\(your data module\), got Data"):
        trainer.fit(Task(), datamodule=Data())

    class Twice(Task):
        def __init__(self):
            super().__init__()
            self.second = SPACE.supernet()

    with pytest.raises(ValueError, match="exactly one Supernet, found 2 in Twice"):
        fit(task=Twice())
    for callback in (SampledPaths(0), ControllerPhase(Enas(**QUICK))):
        told = SimpleNamespace(strategy=DDPStrategy(), datamodule=WeightsHalf(Data()), current_epoch=0)
        with pytest.raises(ValueError, match="ddp_find_unused_parameters_true"):
            callback.setup(told, Task(), "fit")
        told.strategy = DDPStrategy(find_unused_parameters=True)
        callback.setup(told, Task(), "fit")

    class Whole(WeightsHalf):
        def architecture_dataloader(self):
            return []

    with pytest.raises(ValueError, match="no minibatch for every rank"):
        make_trainer(callbacks=[ControllerPhase(Enas(**QUICK))]).fit(Task(), datamodule=Whole(Data()))

    class Diverged(Task):
        def validation_step(self, batch, batch_idx):
            self.log("val/accuracy", float("nan"))

    with pytest.raises(ValueError, match="scores must be finite, got nan for"):
        fit(task=Diverged())

    with pytest.raises(ValueError, match=r"metric = 'val/f1' is not logged in validation; logged are \['val/accuracy'"):
        fit(metric="val/f1")


def test_the_score_of_a_task_without_a_headline_is_minus_its_loss():
    assert validation_score({"val/loss": 2.0, "val/accuracy": 0.5}, task=Task) == ("val/accuracy", 0.5)
    assert validation_score({"val/loss": torch.tensor(2.0), "train/loss": 9.0}) == ("-val/loss", -2.0)
    assert validation_score({"error": 2.0, "val/loss": 1.0}, "-error") == ("-error", -2.0)
    assert validation_score({"val/psnr": 30.0}) == ("val/psnr", 30.0)
    with pytest.raises(ValueError, match="metric = '-val/loss' is not logged"):
        validation_score({"val/accuracy": 1.0}, "-val/loss")
