"""Every architecture trained by itself: the task under a Trainer, for a given number of epochs."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import optuna

from lightning_nas.architecture import Choices
from lightning_nas.errors import JobError
from lightning_nas.search.headline import validation_score
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.callbacks import SeedBatches
from lightning_nas.search.lightning.families import Callback, pl
from lightning_nas.search.lightning.persistence import last_checkpoint


class ReportToTrial(Callback):
    """Reports the validation metric after every epoch, and ends the training if the study's pruner says so.

    Args:
        trial: Of the study.
        metric: What is reported, see :func:`~lightning_nas.search.headline.validation_score`.
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
        _, value = validation_score(_of_validation(trainer), self.metric, pl_module)
        epoch = trainer.current_epoch
        self.trial.report(value, epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"pruned after epoch {epoch}")


class TrainEvaluator:
    """Trains the network of an architecture and tells its validation metric after the last epoch.

    A trial that was killed goes on from its checkpoint when it is queued again. Checkpoints of finished trials are deleted;
    ``metrics.csv`` stays.

    Args:
        job: The search.
        epochs: Of every training.
        metric: What is maximised, see :func:`~lightning_nas.search.headline.validation_score`.

    Raises:
        JobError: If ``epochs`` is below 1 or the data hold out no validation images.

    Example:
        >>> from functools import partial
        >>> from lightning_nas.search import Job
        >>> evaluator = partial(TrainEvaluator, epochs=5)
        >>> job = Job(space, datamodule=data, make_task=MyTask, evaluator=evaluator)  # doctest: +SKIP
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
        task = self.job.make_task(self.job.build_network(choices))
        callbacks: list[pl.Callback] = [SeedBatches(seed)]
        if len(trial.study.directions) == 1:  # Optuna takes no reports of trials with several objectives
            callbacks.append(ReportToTrial(trial, self.wanted))
        trainer = self.job.trainers.training(run.path, self.epochs, callbacks, progress_bar=False)
        trainer.fit(task, datamodule=self.job.datamodule, ckpt_path=last_checkpoint(run.path))
        metrics = _of_validation(trainer)
        _, value = validation_score(metrics, self.wanted, task)
        shutil.rmtree(run.checkpoints, ignore_errors=True)
        return {**metrics, self.metric: value}


def _of_validation(trainer: pl.Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
