"""Search among the paths of a supernet trained on random ones, in stages that go on where they were interrupted.

Source of the three stages of a single-path search: Chen et al. 2019, "DetNAS", arXiv 1903.10979, figure 1. Random search with
weight sharing has the last two, with random candidates in place of the evolution (Li, Talwalkar 2019, arXiv 1902.07638).
"""

from __future__ import annotations

import dataclasses
from functools import partial

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import JobError, NasError, RunFolderError
from lightning_nas.networks.transfer import copy_trunk
from lightning_nas.search.costs import macs_of_choice
from lightning_nas.search.data.screening import ScreeningData
from lightning_nas.search.job import Job, Pretraining
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.progress import ReportedEpochs
from lightning_nas.search.paths.sampled import SampledPaths
from lightning_nas.search.paths.scoring import best_of
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.search.procedures.supernet import require_validation, seeded_supernet, seeded_task, step_settings
from lightning_nas.spaces import SearchSpace, Supernet
from lightning_nas.strategies import UniformPaths
from lightning_nas.strategies.paths import Evolution, Shortlist


def search_paths(strategy: UniformPaths, job: Job) -> dict[str, Option]:
    """Trains the backbone's supernet on classification (if there is a pretraining), then all on the task, then chooses.

    Args:
        strategy: The settings.
        job: ``pretraining``, ``checkpoints`` and ``candidates`` of its run hold what each stage has done; the validation
            images of its data judge the candidates.

    Returns:
        The fittest architecture.

    Raises:
        JobError: If there are no validation images, the metric is not logged, no architecture keeps the limits of
            multiply-adds, or what an earlier attempt left there belongs to another search.
    """
    require_validation(job, type(strategy).__name__)
    try:  # limits that nothing keeps are refused before any training
        candidates = strategy.competition(job.space, partial(_macs, job))
    except NasError as error:
        raise JobError(f"strategy: {error}") from error
    task, supernet = train_paths(strategy, job)
    return _choose(strategy, job, candidates, task, supernet)


def train_paths(strategy: UniformPaths, job: Job) -> tuple[pl.LightningModule, Supernet]:
    """The first stages: a pretraining if there is one, and the training of the supernet.

    Args:
        strategy: The settings.
        job: What there is to be done.

    Returns:
        The task, and the supernet in it.
    """
    supernet = seeded_supernet(job)
    if job.pretraining is not None and last_checkpoint(job.run.path) is None:
        pretrained = _pretrained(job, job.pretraining, strategy.seed)
        target = supernet.named_parts().get("backbone", supernet)
        copy_trunk(target, pretrained.state_dict(), "", str(job.run.pretraining))
    _, task = seeded_task(job, supernet)
    changed = step_settings(job) if strategy.steps_as_set else {}
    watching = [SampledPaths(strategy.seed), ReportedEpochs(job.progress, open_end=True)]
    trainer = job.trainers.of_paths(job.folder, job.supernet.epochs, watching, job.max_time, seed=job.seed, **changed)
    trainer.fit(task, datamodule=job.datamodule, ckpt_path=last_checkpoint(job.run.path))
    return task, supernet


def judges(
    strategy: UniformPaths, job: Job, task: pl.LightningModule, supernet: Supernet
) -> tuple[SharedWeights, SharedWeights]:
    """What scores a candidate in the first round of a competition, and what does in the second; both may be the same.

    Args:
        strategy: The settings.
        job: What there is to be done.
        task: Trained by :func:`train_paths`.
        supernet: In the task.
    """
    whole = SharedWeights(
        task, supernet, job.datamodule, job.trainers.silent(job.folder), strategy.metric, strategy.recalibration_batches,
        job.seed,
    )  # fmt: skip
    if strategy.screening_batches is None:
        return whole, whole
    screening = dataclasses.replace(
        whole,
        datamodule=ScreeningData(job.datamodule, batches=strategy.screening_batches, seed=strategy.seed),
        trainer=job.trainers.silent(job.folder, limit_val_batches=strategy.screening_batches),
    )
    return screening, whole


def _pretrained(job: Job, pretraining: Pretraining, seed: int) -> Supernet:
    """The backbone's supernet, trained on sampled paths as a classifier."""
    data, space = pretraining.datamodule, _backbone_space(job.space)
    if data.in_channels != job.datamodule.in_channels:
        raise JobError(
            f"pretrain.data has images of {data.in_channels} channels, the task's have {job.datamodule.in_channels}"
        )
    if any(field.name == "head_channels" for field in dataclasses.fields(space)):
        space = dataclasses.replace(space, head_channels=pretraining.head_channels)  # type: ignore[call-arg]
    folder = job.run.pretraining.path
    supernet = seeded_supernet(dataclasses.replace(job, space=space))
    task = pretraining.make_task(supernet)
    trainer = job.trainers.of_paths(folder, pretraining.epochs, [SampledPaths(seed)], job.max_time, seed=job.seed)
    trainer.fit(task, datamodule=data, ckpt_path=last_checkpoint(folder))
    return supernet


def _backbone_space(space: SearchSpace) -> SearchSpace:
    return space.named_parts().get("backbone", space)


def _choose(
    strategy: UniformPaths,
    job: Job,
    candidates: Evolution | Shortlist,
    task: pl.LightningModule,
    supernet: Supernet,
) -> dict[str, Option]:
    """Scores the candidates with the weights of the supernet; of a search in two rounds the first one on few images."""
    screening, whole = judges(strategy, job, task, supernet)

    def measure(choices: Choices) -> float:
        return (screening if candidates.round == 1 else whole).score(choices)

    try:
        best = best_of(candidates, measure, job.run, whole.trainer, total=candidates.total, title=strategy.title)
    except RunFolderError as error:
        raise JobError(f"{error}{strategy.hint}") from error
    supernet.activate(None)
    return best


def _macs(job: Job, choices: Choices) -> int:
    """Multiply-adds of the whole network of an architecture."""
    return macs_of_choice(job.make_task, job.datamodule, partial(job.space.network, choices))
