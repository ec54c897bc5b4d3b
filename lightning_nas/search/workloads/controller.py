"""What a search with a controller consists of: epochs of the weights, and steps of the controller."""

from __future__ import annotations

import copy
from dataclasses import replace
from math import ceil
from typing import Any

from lightning_nas.search.job import Job
from lightning_nas.search.procedures.controller import train_controller
from lightning_nas.search.procedures.gradient import require_search
from lightning_nas.search.workloads.work import Work
from lightning_nas.strategies import Enas


def controller_work(strategy: Enas, job: Job) -> list[Work]:
    """What there is to be done.

    Args:
        strategy: The settings.
        job: What there is to be done.

    Raises:
        JobError: If there is no epoch in which something is searched.
    """
    require_search(job)
    settings = job.supernet
    own = copy.copy(strategy)
    own.controller_steps = 1
    trained: list[Any] = []

    def train(number: int) -> None:
        resting = replace(job, supernet=replace(settings, warmup_epochs=settings.epochs))
        trained[:] = train_controller(own, resting)

    def learn(number: int) -> None:
        phase, trainer, task = trained
        task.to(trainer.strategy.root_device)
        phase.learn(trainer, task, number)

    learning = (settings.epochs - settings.warmup_epochs) * strategy.controller_steps
    deriving = ceil(strategy.derive / strategy.controller_batch)
    return [
        Work("training the supernet", 1, train),
        Work("steps of the controller", learning + deriving, learn, "steps", samples=4, shared=False),
    ]
