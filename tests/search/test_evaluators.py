"""Evaluators that train: with reports to a pruner, on shared weights, and what they refuse."""

import dataclasses
from pathlib import Path

import optuna
import pytest
from evaluator_job import SPACE, run
from optuna.trial import TrialState
from pytorch_lightning import Callback

from lightning_nas.search import (
    OneShotEvaluator,
    Prefilter,
    SampledPaths,
    TableEvaluator,
    Trainers,
    TrainEvaluator,
    ZeroCostEvaluator,
)
from lightning_nas.spaces import NasBench201

# ---- train ----------------------------------------------------------------------------------------------------------


def test_a_trained_architecture_has_validation_metrics(job):
    study = run(TrainEvaluator(job, epochs=2), 2)
    for trial in study.trials:
        metrics = trial.user_attrs["metrics"]
        assert trial.value == metrics["metric"] == metrics["val/accuracy"] == trial.intermediate_values[1]
        assert set(trial.intermediate_values) == {0, 1}
        assert "val/loss" in metrics
    assert not list(Path(job.folder).rglob("*.ckpt"))


def test_the_metric_may_be_named(job):
    (trial,) = run(TrainEvaluator(job, epochs=1, metric="val/loss"), 1).trials
    assert trial.value == trial.user_attrs["metrics"]["val/loss"]
    with pytest.raises(ValueError, match="val/none"):
        run(TrainEvaluator(job, epochs=1, metric="val/none"), 1)


class FromTheSecond(optuna.pruners.BasePruner):
    """Ends every trial but the first after its first epoch."""

    def prune(self, study, trial):
        return trial.number > 0


def test_a_pruner_ends_trainings(job):
    study = run(TrainEvaluator(job, epochs=3), 3, FromTheSecond())
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED]
    assert [len(trial.intermediate_values) for trial in study.trials] == [3, 1, 1]


def test_equal_seeds_train_equally_and_a_killed_trial_goes_on(job):
    whole = run(TrainEvaluator(job, epochs=2), 1).trials[0].user_attrs["metrics"]

    class Dying(Trainers):
        def training(self, folder, epochs, callbacks, **arguments):
            return super().training(folder, epochs, [*callbacks, PowerCut()], **arguments)

    dying = dataclasses.replace(job, trainers=Dying(job.trainers.arguments))
    with pytest.raises(RuntimeError, match="power cut"):
        run(TrainEvaluator(dying, epochs=2), 1)
    assert len(list(Path(job.folder).rglob("last.ckpt"))) >= 1
    again = run(TrainEvaluator(job, epochs=2), 1).trials[0]
    assert again.user_attrs["metrics"] == whole
    assert set(again.intermediate_values) == {1}  # the first epoch is not trained again


class PowerCut(Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            raise RuntimeError("power cut")


# ---- shared weights -------------------------------------------------------------------------------------------------


@pytest.fixture
def searched(job):
    """A run folder with a supernet that was trained on paths."""
    task = job.supernet_task(SPACE.supernet())
    trainer = job.trainers.training(job.folder / "single_path", 2, [SampledPaths(0)])
    trainer.fit(task, datamodule=job.datamodule)
    return job.folder / "single_path"


def test_paths_of_a_supernet_are_validated(job, searched):
    evaluator = OneShotEvaluator(job, supernet=str(searched), recalibration_batches=2)
    study = run(evaluator, 3)
    values = [trial.value for trial in study.trials]
    assert len(set(values)) > 1
    again = OneShotEvaluator(job, supernet=str(searched), recalibration_batches=2)
    assert [again({**trial.params}, None)["metric"] for trial in study.trials] == values
    other = OneShotEvaluator(job, supernet=str(searched), recalibration_batches=1, metric="val/loss")
    assert other({**study.trials[0].params}, None) == {
        "val/loss": pytest.approx(other.shared.measure(study.trials[0].params)[1])
    }


def test_a_supernet_of_another_space_is_refused(job, searched):
    foreign = dataclasses.replace(job, space=NasBench201(channels=8, cells=1, in_channels=1, nodes=3))
    with pytest.raises(ValueError, match="another space"):
        OneShotEvaluator(foreign, supernet=str(searched))


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda w: TrainEvaluator(w, epochs=0), "epochs must be at least 1, got 0"),
        (lambda w: OneShotEvaluator(w), "supernet = null"),
        (lambda w: OneShotEvaluator(w, supernet="nowhere"), "nowhere"),
        (lambda w: OneShotEvaluator(w, supernet=".", recalibration_batches=0), "recalibration_batches"),
        (lambda w: ZeroCostEvaluator(w, score="luck"), "luck"),
        (lambda w: ZeroCostEvaluator(w, args={"repeats": 3}), "repeats"),
        (lambda w: Prefilter(w, scores=["synflow"], samples=0), "samples"),
        (lambda w: Prefilter(w, scores=["synflow"], keep=0.0), "keep"),
        (lambda w: Prefilter(w, scores=[]), "scores"),
        (lambda w: Prefilter(w, scores=["luck"]), "luck"),
        (lambda w: TableEvaluator(w, file="nowhere.csv", metric="size"), "nowhere.csv"),
    ],
)
def test_bad_arguments_are_named(job, make, said):
    with pytest.raises(ValueError, match=said):
        make(job)


def test_data_without_validation_images_cannot_judge(job):
    job.datamodule.val_dataloader = lambda: []
    with pytest.raises(ValueError, match="validation"):
        TrainEvaluator(job)
