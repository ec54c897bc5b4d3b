"""From a strategy and a job to what there is to be done, without doing it."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from optuna.samplers import BaseSampler

from lightning_nas.errors import JobError
from lightning_nas.search.job import Job
from lightning_nas.search.procedures.run import require_fitting
from lightning_nas.search.workloads.controller import controller_work
from lightning_nas.search.workloads.elastic import front_work
from lightning_nas.search.workloads.gradient import gradient_work
from lightning_nas.search.workloads.networks import Representatives
from lightning_nas.search.workloads.paths import paths_work
from lightning_nas.search.workloads.trials import trials_work
from lightning_nas.search.workloads.work import Work
from lightning_nas.strategies import Elastic, Enas, GradientStrategy, UniformPaths


@singledispatch
def workload(strategy: Any, job: Job, networks: Representatives) -> list[Work]:
    """What a search consists of; every family of strategies registers its own.

    Nothing is trained or built before one of them is done.

    Args:
        strategy: A gradient strategy, one of paths, or an Optuna sampler.
        job: What there is to be done. ``folder`` is written into.
        networks: Of its space, for samples.

    Raises:
        JobError: If the strategy and the job do not fit.
        TypeError: If the strategy is of no known family.
    """
    raise TypeError(f"strategy = {strategy!r}: of no known family")


@workload.register
def _(strategy: GradientStrategy, job: Job, networks: Representatives) -> list[Work]:
    require_fitting(strategy, job)
    return gradient_work(strategy, job)


@workload.register
def _(strategy: UniformPaths, job: Job, networks: Representatives) -> list[Work]:
    require_fitting(strategy, job)
    return paths_work(strategy, job, networks)


@workload.register
def _(strategy: Enas, job: Job, networks: Representatives) -> list[Work]:
    require_fitting(strategy, job)
    return controller_work(strategy, job)


@workload.register
def _(strategy: Elastic, job: Job, networks: Representatives) -> list[Work]:
    require_fitting(strategy, job)
    return front_work(strategy, job, networks)


@workload.register
def _(strategy: BaseSampler, job: Job, networks: Representatives) -> list[Work]:
    if job.pretraining is not None:
        raise JobError(f"pretraining is given, but {type(strategy).__name__} trains no supernet")
    return trials_work(strategy, job, networks)
