"""From a strategy and a job to an architecture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from optuna.samplers import BaseSampler

from lightning_nas.architecture import Architecture, Option
from lightning_nas.errors import JobError
from lightning_nas.search.job import Job
from lightning_nas.search.procedures.controller import search_with_controller
from lightning_nas.search.procedures.elastic import search_front
from lightning_nas.search.procedures.gradient import search_logits
from lightning_nas.search.procedures.paths import search_paths
from lightning_nas.search.procedures.trials import search_trials
from lightning_nas.strategies import Elastic, Enas, GradientStrategy, UniformPaths


def run(strategy: Any, job: Job, provenance: Mapping[str, Any] | None = None) -> Architecture:
    """Searches as a strategy says, and writes what was found into the folder of the job.

    A search that was interrupted goes on where it was, and one that has ended is read.

    Args:
        strategy: A gradient strategy, one of paths, an Optuna sampler, or one of ours of that kind.
        job: What there is to be done.
        provenance: What the record of the architecture says of its origin; strategy and seed if None.

    Raises:
        JobError: If the strategy and the job do not fit, before any work; or if nothing was found.
        TypeError: If the strategy is of no known family.

    Example:
        >>> from lightning_nas.search import Job, run
        >>> from lightning_nas.strategies import Darts
        >>> job = Job(space, datamodule=data, make_task=MyModule, folder="runs/mine")  # doctest: +SKIP
        >>> run(Darts(), job).save("found.json")  # doctest: +SKIP
    """
    if job.run.architecture.is_file():
        return Architecture.load(job.run.architecture)
    if job.continues is not None and not isinstance(strategy, GradientStrategy):
        raise JobError(
            f"continue_from = {job.continues}: only a search by gradients can be gone on with, got {strategy!r}"
        )
    origin = {"strategy": type(strategy).__name__, "seed": job.seed} if provenance is None else provenance
    found = job.space.architecture(search(strategy, job), origin)
    found.save(job.run.architecture)
    return found


@singledispatch
def search(strategy: Any, job: Job) -> dict[str, Option]:
    """The best architecture; every family of strategies registers its way of searching."""
    raise TypeError(
        f"strategy = {strategy!r}: expected an instance of "
        f"{', '.join(cls.__name__ for cls in (GradientStrategy, UniformPaths, Enas, Elastic))} or an Optuna sampler"
    )


@search.register
def _(strategy: GradientStrategy, job: Job) -> dict[str, Option]:
    require_fitting(strategy, job)
    return search_logits(strategy, job)


@search.register
def _(strategy: UniformPaths, job: Job) -> dict[str, Option]:
    require_fitting(strategy, job)
    return search_paths(strategy, job)


@search.register
def _(strategy: Enas, job: Job) -> dict[str, Option]:
    require_fitting(strategy, job)
    return search_with_controller(strategy, job)


@search.register
def _(strategy: Elastic, job: Job) -> dict[str, Option]:
    require_fitting(strategy, job)
    return search_front(strategy, job)


@search.register
def _(strategy: BaseSampler, job: Job) -> dict[str, Option]:
    if job.pretraining is not None:
        raise JobError(f"pretraining is given, but {type(strategy).__name__} trains no supernet")
    return search_trials(strategy, job)


def require_fitting(strategy: Any, job: Job) -> None:
    """Checks that a strategy that trains a supernet fits the space and the settings of a job.

    Raises:
        JobError: If it does not.
    """
    name = type(strategy).__name__
    for setting in ("pruner", "prefilter"):
        if getattr(job, setting) is not None:
            raise JobError(f"{setting} is given, but {name} has no trials that it could be applied to")
    if not job.space.has_supernet:
        raise JobError(
            f"space {job.space.name!r} has no supernet, which {name} trains: choose a strategy that trains every candidate by "
            "itself, e.g. strategy=random"
        )
    if isinstance(strategy, GradientStrategy) and not job.space.mixes:
        raise JobError(
            f"space {job.space.name!r} has no logits, which {name} trains: its supernet is searched on paths, e.g. with "
            "strategy=single_path, rsps or enas"
        )
    if isinstance(strategy, GradientStrategy):
        strategy.check(job.space)
    if job.pretraining is not None and job.pretrained is not None:
        raise JobError(
            f"pretraining and pretrained are given: the supernet starts from one of them, {job.pretrained.source}"
        )
    if job.pretraining is not None and not getattr(strategy, "pretrains", False):
        raise JobError(f"pretraining is a stage of single-path search, got strategy {name}")
