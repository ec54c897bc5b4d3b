"""What a search among the paths of a supernet consists of: its training, and the scores of the candidates."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import ceil

from lightning_nas.search.costs import macs_of_choice
from lightning_nas.search.job import Job
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.search.procedures.paths import judges, train_paths
from lightning_nas.search.workloads.networks import Representatives
from lightning_nas.search.workloads.work import Work
from lightning_nas.strategies import UniformPaths

FEW = 12
"""Batches that estimate the statistics of BatchNorm in one sample; the others are counted on top."""


class _Judges:
    """What scores candidates, made from a supernet when it is trained."""

    def __init__(self, strategy: UniformPaths, job: Job, networks: Representatives) -> None:
        self.strategy, self.job, self.networks = strategy, job, networks

    @cached_property
    def both(self) -> tuple[SharedWeights, SharedWeights]:
        task, supernet = train_paths(self.strategy, self.job)
        first, again = judges(self.strategy, self.job, task, supernet)
        return with_few_batches(first), with_few_batches(again)

    def train(self, number: int) -> None:
        _ = self.both

    def score(self, number: int, place: int) -> None:
        choices = self.networks(number)
        self.both[place].score(choices)
        if self.strategy.limited:
            macs_of_choice(self.job.make_task, self.job.datamodule, lambda: self.job.space.network(choices))

    def recalibrate(self, number: int) -> None:
        self.both[1].prepare(self.networks(number))


def with_few_batches(shared: SharedWeights) -> SharedWeights:
    """The same with :data:`FEW` batches for BatchNorm at most."""
    return replace(shared, recalibration_batches=min(shared.recalibration_batches, FEW))


def paths_work(strategy: UniformPaths, job: Job, networks: Representatives) -> list[Work]:
    """What there is to be done.

    Args:
        strategy: The settings.
        job: What there is to be done.
        networks: Of the space, for samples.
    """
    judging = _Judges(strategy, job, networks)
    first, again = strategy.scored(job.space)
    works = [
        Work("training the supernet", 1, judging.train),
        Work("scoring paths", first, lambda number: judging.score(number, 0), "paths", networks.ready, samples=3),
    ]
    if again:
        works.append(
            Work(
                "scoring the best again",
                again,
                lambda number: judging.score(number, 1),
                "paths",
                networks.ready,
                samples=3,
            )
        )
    more = recalibrating(strategy.recalibration_batches, first + again)
    return [*works, *([Work("statistics of paths", more, judging.recalibrate, f"x {FEW} batches")] if more else [])]


def recalibrating(batches: int, networks: int) -> int:
    """How often :data:`FEW` batches are seen beside the first ones of every network.

    Example:
        >>> recalibrating(500, 1000), recalibrating(12, 1000)
        (40667, 0)
    """
    return ceil(networks * max(batches - FEW, 0) / FEW)
