"""Every architecture trained by itself: the task under a Trainer, for a given number of epochs."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import optuna

from lightning_nas.architecture import Choices
from lightning_nas.search.callbacks import SeedBatches
from lightning_nas.search.families import Callback, pl
from lightning_nas.search.headline import validation_metric
from lightning_nas.search.job import Job, JobError
from lightning_nas.search.persistence import last_checkpoint


class ReportToTrial(Callback):
    """Reports the validation metric after every epoch, and ends the training if the study's pruner says so.

    Args:
        trial: Of the study.
        metric: What is reported; the one that decides comparisons if None.
    """

    def __init__(self, trial: optuna.Trial, metric: str | None) -> None:
        self.trial, self.metric = trial, metric

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Reports one epoch.

        Raises:
            TrialPruned: If the trial is not worth going on with.
        """
        if trainer.sanity_checking:
            return
        name, epoch = validation_metric(trainer.callback_metrics, self.metric), trainer.current_epoch
        self.trial.report(float(trainer.callback_metrics[name]), epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"pruned after epoch {epoch}")


class TrainEvaluator:
    """Trains the network of an architecture and tells its validation metric after the last epoch.

    A trial that was killed goes on from its checkpoint when it is queued again. Checkpoints of finished trials are deleted;
    ``metrics.csv`` stays.

    Args:
        job: The search.
        epochs: Of every training.
        metric: Logged in validation, e.g. ``"val/map"``; the one that decides comparisons if None.

    Raises:
        JobError: If ``epochs`` is below 1 or the data hold out no validation images.
    """

    def __init__(self, job: Job, *, epochs: int = 3, metric: str | None = None) -> None:
        if epochs < 1:
            raise JobError(f"epochs must be at least 1, got {epochs}")
        job.datamodule.prepare_data()
        job.datamodule.setup("fit")
        if not job.datamodule.val_dataloader():
            raise JobError("evaluator = train judges architectures on validation images, and data holds out none")
        self.job, self.epochs, self.wanted = job, epochs, metric
        self.metric = metric or "metric"

    def __call__(self, choices: Choices, trial: optuna.Trial) -> dict[str, float]:
        """All validation metrics; the one that is maximised is there as ``metric`` too.

        Raises:
            TrialPruned: If the study's pruner ends the trial.
        """
        space, seed = self.job.space, self.job.seed
        key = hashlib.sha256(space.to_text(choices).encode()).hexdigest()[:12]
        run = self.job.run.trial(key)
        pl.seed_everything(seed, workers=True, verbose=False)
        task = self.job.make_task(space.network(choices))
        callbacks: list[pl.Callback] = [SeedBatches(seed)]
        if len(trial.study.directions) == 1:  # Optuna takes no reports of trials with several objectives
            callbacks.append(ReportToTrial(trial, self.wanted))
        trainer = self.job.trainers.training(run.path, self.epochs, callbacks, progress_bar=False)
        trainer.fit(task, datamodule=self.job.datamodule, ckpt_path=last_checkpoint(run.path))
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        name = validation_metric(metrics, self.wanted)
        shutil.rmtree(run.checkpoints, ignore_errors=True)
        return {**metrics, self.metric: metrics[name]}
