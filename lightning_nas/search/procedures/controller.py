"""Search by a controller that is trained in turns with the weights of a supernet (ENAS)."""

from __future__ import annotations

from lightning_nas.architecture import Option
from lightning_nas.errors import JobError
from lightning_nas.search.data.bilevel import WeightsHalf
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.progress import ReportedEpochs
from lightning_nas.search.paths.controller_phase import ControllerPhase
from lightning_nas.search.paths.scoring import best_of
from lightning_nas.search.procedures.gradient import require_search
from lightning_nas.search.procedures.supernet import seeded_task, step_settings
from lightning_nas.strategies import Enas


def search_with_controller(strategy: Enas, job: Job) -> dict[str, Option]:
    """Trains weights and controller in turns, then takes the best of some architectures from the controller.

    Args:
        strategy: The settings.
        job: ``checkpoints`` and ``candidates`` of its run hold what has been done.

    Raises:
        JobError: If the policy does not know the space, or there is no epoch in which something is searched.
    """
    require_search(job)
    try:
        strategy.controller(job.space)
    except ValueError as error:
        raise JobError(str(error)) from error
    phase, trainer, task = train_controller(strategy, job)
    drawn = phase.shortlist()
    with phase.judge(trainer, task) as score:
        return best_of(drawn, score, job.run, trainer, total=drawn.total, title="architectures")


def train_controller(strategy: Enas, job: Job) -> tuple[ControllerPhase, pl.Trainer, pl.LightningModule]:
    """Trains weights and controller in turns.

    Args:
        strategy: The settings.
        job: What there is to be done.

    Returns:
        What holds the controller, the Trainer that is done, and the task with the supernet.
    """
    _, task = seeded_task(job)
    phase = ControllerPhase(strategy, warmup_epochs=job.supernet.warmup_epochs)
    watching = [phase, ReportedEpochs(job.progress, open_end=True)]
    trainer = job.trainers.of_paths(
        job.folder, job.supernet.epochs, watching, job.max_time, seed=job.seed, **step_settings(job)
    )
    halves = WeightsHalf(job.datamodule, seed=job.seed, fraction=job.supernet.fraction)
    trainer.fit(task, datamodule=halves, ckpt_path=last_checkpoint(job.run.path))
    return phase, trainer, task
