"""What a search by gradient consists of: epochs of a supernet, and what a selection by removal asks afterwards."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any

from lightning_nas.search.data.bilevel import BilevelDataModule
from lightning_nas.search.gradient.discretising import Discretising
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.job import Job
from lightning_nas.search.procedures.gradient import discretise, require_search, train_logits
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
    removal, own.removal = own.removal, None  # what that does is measured by itself
    if own.stages is not None:
        own.stages.keeps_weights = False  # every stage is measured by itself
    searched: list[SearchModule] = []

    def keep(strategy: GradientStrategy, part: Job) -> SearchModule:
        searched[:] = [train_logits(strategy, part)]
        return searched[0]

    rarely = settings.arch_every_n_steps if removal is None or removal.trains_logits else sys.maxsize

    def search(number: int) -> None:
        warmup = min(settings.warmup_epochs, 1)
        part = replace(job, supernet=replace(settings, warmup_epochs=warmup, arch_every_n_steps=rarely))
        if own.stages is not None:
            search_in_stages(own, own.stages, part, keep)
        else:
            keep(own, part)

    stages = "" if own.stages is None else f" in {own.stages.count} stages"
    looks = (
        0
        if own.guard is None
        else sum(own.guard.due(epoch) for epoch in range(settings.warmup_epochs, settings.epochs))
    )
    works = [Work(f"training the supernet{stages}", 1, search, may_end_early=looks > 0)]
    if looks:
        works.append(
            Work("looks of the guard", looks, lambda number: _look(job, searched[0]), "looks", may_end_early=True)
        )
    return works if removal is None else [*works, *_selection(removal, job, searched)]


def _look(job: Job, module: SearchModule) -> None:
    halves = BilevelDataModule(job.datamodule, seed=job.seed, fraction=job.supernet.fraction)
    pair, _, _ = next(iter(halves.train_dataloader()))
    module.to(module.trainer.strategy.root_device)  # a Trainer has left it on the CPU
    module.look(pair["architecture"], 0)


def _selection(removal: Removal, job: Job, searched: list[SearchModule]) -> list[Work]:
    """Epochs of the supernet between the decisions, and losses without an option.

    The more is decided, the fewer options run: what is measured is the supernet with half of the decisions made.
    """
    planned = copy.deepcopy(removal)
    planned.attach(job.space.supernet())
    batches = _batches_of_half(job) if removal.batches is None else removal.batches
    few = min(batches, JUDGING)

    def train(number: int) -> None:
        (module,) = searched
        decide_half(removal)
        changed = job.trainers.unused_parameters if module.strategy.needs_unused_parameters else {}
        discretise(removal, module, job, changed, asks=False)  # questions are measured by themselves

    losses = ceil(planned.losses * batches / few)
    return [
        Work("training between decisions", 1, train),
        Work("judging options", losses, _loss_without(removal, job, searched, few), f"x {few} batches", samples=3),
    ]


def decide_half(removal: Removal) -> None:
    """Makes the first half of the decisions at random.

    Args:
        removal: Has planned them.
    """
    rng = random.Random(0)
    for step in range(removal.steps // 2):
        for question in removal.questions(step):
            removal.answer(question, [rng.random() for _ in removal.removals(question)])


def _batches_of_half(job: Job) -> int:
    return max(ceil(len(job.datamodule.train_dataloader()) * (1 - job.supernet.fraction)), 1)


def _loss_without(removal: Removal, job: Job, searched: list[SearchModule], batches: int) -> Callable[[int], Any]:
    def once(number: int) -> None:
        halves = BilevelDataModule(job.datamodule, seed=job.seed, fraction=job.supernet.fraction)
        few = copy.copy(removal)
        few.batches = batches
        (module,) = searched
        module.to(module.trainer.strategy.root_device)
        Discretising(few, halves).loss(module, number)

    return once
