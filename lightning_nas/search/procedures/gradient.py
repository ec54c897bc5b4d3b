"""Search by gradient: logits trained beside the weights of a supernet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lightning_nas.architecture import Option
from lightning_nas.errors import JobError
from lightning_nas.runs import RunFolder
from lightning_nas.search.data.bilevel import BilevelDataModule
from lightning_nas.search.doctor.visits import DoctorVisits
from lightning_nas.search.gradient.discretising import Discretising
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.callbacks import ArchitectureHistory, FreezeLogits
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.progress import ReportedEpochs
from lightning_nas.search.lightning.stage_epochs import StageEpochs
from lightning_nas.search.procedures.continuing import take_over
from lightning_nas.search.procedures.stages import search_in_stages
from lightning_nas.strategies import GradientStrategy
from lightning_nas.strategies.gradient.selection import Removal
from lightning_nas.strategies.gradient.stages import Span


def search_logits(strategy: GradientStrategy, job: Job) -> dict[str, Option]:
    """Trains logits and weights, then decodes the logits.

    Args:
        strategy: Relaxes and decodes.
        job: ``history`` and ``checkpoints`` of its run hold what has been done.

    Raises:
        JobError: If there is no epoch in which something is searched, or the training ended before an architecture step.
    """
    require_search(job)
    if strategy.stages is not None and job.continues is not None:
        raise JobError(f"continue_from = {job.continues}: a search in stages goes on by itself, in its own folder")
    if strategy.stages is not None:
        return search_in_stages(strategy, strategy.stages, job, train_logits)
    return train_logits(strategy, job).choices()


def train_logits(strategy: GradientStrategy, job: Job) -> SearchModule:
    """Trains logits and weights in the folder of a job, and discretises the supernet if the strategy wants that.

    Args:
        strategy: Relaxes and decodes.
        job: What there is to be done.

    Raises:
        JobError: If the training ended before an architecture step.
    """
    settings = job.supernet
    alone = Span(0, settings.epochs, settings.epochs)
    span = alone if strategy.stages is None else strategy.stages.span(settings.epochs)
    in_stages = span != alone
    supernet = job.build_supernet()
    arguments = {key: value for key, value in asdict(settings).items() if key not in ("epochs", "fraction")}
    arguments["warmup_epochs"] = (
        0 if in_stages else settings.warmup_epochs
    )  # a stage has a callback of its own for that
    module = SearchModule(job.supernet_task(supernet), strategy, **arguments, seed=job.seed)
    changed: dict[str, Any] = job.trainers.unused_parameters if strategy.needs_unused_parameters else {}
    history = ArchitectureHistory(job.run.history)
    watching: list[Any] = [history, DoctorVisits(history), ReportedEpochs(job.progress)]
    if in_stages:
        watching += [StageEpochs(span, job.run), FreezeLogits(settings.warmup_epochs, first=span.first)]
    if job.continues is not None:
        take_over(RunFolder(job.continues), job.run, module)
    trainer = job.trainers.training(job.folder, span.total, watching, job.max_time, **changed)
    halves = BilevelDataModule(job.datamodule, seed=job.seed, fraction=settings.fraction)
    trainer.fit(module, datamodule=halves, ckpt_path=last_checkpoint(job.run.path))
    removal = strategy.removal
    if not module.arch_steps and (removal is None or removal.trains_logits):
        raise JobError(
            f"no architecture step was made in {trainer.current_epoch} epochs: max_time = {job.max_time} or a limit of the "
            "Trainer ended the search before"
        )
    if removal is not None:
        discretise(removal, module, job, changed)
    return module


def discretise(removal: Removal, module: SearchModule, job: Job, changed: dict[str, Any], *, asks: bool = True) -> None:
    """Trains the supernet on while it is discretised, in a folder of its own, from which that can be gone on with.

    Args:
        removal: Decides.
        module: Was searched.
        job: What there is to be done.
        changed: Arguments of the Trainer that win over all others.
        asks: Whether anything is decided; False: the supernet is trained on as it is, which is what an estimate measures.
    """
    place = job.run.selection
    module.schedules_ended = True
    judges, halves = (
        BilevelDataModule(job.datamodule, seed=job.seed, fraction=job.supernet.fraction) for _ in range(2)
    )
    deciding = [Discretising(removal, judges)] if asks else []
    watching = [*deciding, ArchitectureHistory(place.history), ReportedEpochs(job.progress)]
    trainer = job.trainers.training(place.path, removal.epochs, watching, None, **changed)
    trainer.fit(module, datamodule=halves, ckpt_path=last_checkpoint(place.path))


def require_search(job: Job) -> None:
    """Epochs of the weights alone must leave one in which something is searched.

    Raises:
        JobError: If there is none.
    """
    settings = job.supernet
    if settings.warmup_epochs >= settings.epochs:
        raise JobError(
            f"search.warmup_epochs = {settings.warmup_epochs}: expected less than search.epochs = {settings.epochs}, or "
            "nothing would be searched"
        )
