"""What a search by gradient consists of: epochs of a supernet, and what a selection by removal asks afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any

from lightning_nas.search.data.bilevel import BilevelDataModule
from lightning_nas.search.gradient.discretising import Discretising
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.job import Job
from lightning_nas.search.procedures.gradient import require_search, train_logits
from lightning_nas.search.procedures.stages import search_in_stages
from lightning_nas.search.workloads.work import Work
from lightning_nas.strategies import GradientStrategy
from lightning_nas.strategies.gradient.selection import Removal

JUDGING = 4
"""Batches on which an option is judged in a sample."""


def gradient_work(strategy: GradientStrategy, job: Job) -> list[Work]:
    """What there is to be done.

    Args:
        strategy: Relaxes and decodes.
        job: What there is to be done.

    Raises:
        JobError: If there is no epoch in which something is searched.
    """
    require_search(job)
    settings = job.supernet
    own = copy.deepcopy(strategy)
    if own.removal is not None:
        own.removal.batches = 1  # the questions are measured by themselves
    searched: list[SearchModule] = []

    def keep(strategy: GradientStrategy, part: Job) -> SearchModule:
        searched[:] = [train_logits(strategy, part)]
        return searched[0]

    def search(number: int) -> None:
        part = replace(job, supernet=replace(settings, warmup_epochs=min(settings.warmup_epochs, 1)))
        if own.stages is not None:
            search_in_stages(own, own.stages, part, keep)
        else:
            keep(own, part)

    stages = "" if own.stages is None else f" in {own.stages.count} stages"
    looks = 0 if own.guard is None else sum(own.guard.due(epoch) for epoch in range(settings.epochs))
    works = [Work(f"training the supernet{stages}", 1, search, may_end_early=looks > 0)]
    if looks:
        works.append(
            Work("looks of the guard", looks, lambda number: _look(job, searched[0]), "looks", may_end_early=True)
        )
    removal = strategy.removal
    if removal is not None:
        works.append(_judging(removal, job, searched))
    return works


def _look(job: Job, module: SearchModule) -> None:
    halves = BilevelDataModule(job.datamodule, seed=job.seed, fraction=job.supernet.fraction)
    pair, _, _ = next(iter(halves.train_dataloader()))
    module.look(pair["architecture"], 0)


def _judging(removal: Removal, job: Job, searched: list[SearchModule]) -> Work:
    """Losses without an option, of so many batches of the architecture half each."""
    planned = copy.deepcopy(removal)
    planned.attach(job.space.supernet())
    batches = _batches_of_half(job) if removal.batches is None else removal.batches
    once = _loss_without(removal, job, searched, min(batches, JUDGING))
    return Work("judging options", ceil(planned.losses * batches / min(batches, JUDGING)), once, "losses", samples=3)


def _batches_of_half(job: Job) -> int:
    return max(ceil(len(job.datamodule.train_dataloader()) * (1 - job.supernet.fraction)), 1)


def _loss_without(removal: Removal, job: Job, searched: list[SearchModule], batches: int) -> Callable[[int], Any]:
    def once(number: int) -> None:
        halves = BilevelDataModule(job.datamodule, seed=job.seed, fraction=job.supernet.fraction)
        few = copy.copy(removal)
        few.batches = batches
        Discretising(few, halves).loss(searched[0], number)

    return once
