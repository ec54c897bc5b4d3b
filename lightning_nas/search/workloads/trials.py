"""What a search trial by trial consists of: proposals of the sampler, and what its evaluator does."""

from __future__ import annotations

import copy
import random
from functools import cached_property
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from lightning_nas.search.job import Job
from lightning_nas.search.trials.evaluators import TrainEvaluator, WithCosts, cost_objective
from lightning_nas.search.trials.storage import open_storage
from lightning_nas.search.trials.study import Objective, open_study
from lightning_nas.search.workloads.networks import Representatives
from lightning_nas.search.workloads.work import Work
from lightning_nas.strategies.blackbox import suggest


class _Trials:
    """Evaluates networks that nobody has proposed, and lets a sampler propose what nobody evaluates."""

    def __init__(self, sampler: BaseSampler, job: Job, networks: Representatives) -> None:
        self.sampler, self.job, self.networks = copy.deepcopy(sampler), job, networks

    def ready(self) -> None:
        """Makes what a search makes once."""
        self.networks.ready()
        _ = self.evaluator, self.study

    @cached_property
    def evaluator(self) -> Any:
        return (self.job.evaluator or TrainEvaluator)(self.job)

    @cached_property
    def prefilter(self) -> Any:
        assert self.job.prefilter is not None
        return self.job.prefilter(self.job)

    @cached_property
    def objectives(self) -> list[Objective]:
        costs = [cost_objective(cost, self.evaluator) for cost in self.job.trials.costs]
        return [
            Objective(self.evaluator.metric),
            *(Objective(cost, larger_is_better=False) for cost in costs),
        ]

    @cached_property
    def study(self) -> optuna.Study:
        """As that of the search, in a file of its own."""
        self.job.run.path.mkdir(parents=True, exist_ok=True)
        storage = open_storage(f"sqlite:///{self.job.run.study}")
        return open_study(storage, "estimate", self.job.space, self.objectives, self.sampler)

    def evaluate(self, number: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(directions=[objective.direction for objective in self.objectives])
        evaluator = WithCosts(self.evaluator, self.job.trials.costs, self.job)
        evaluator(self.networks(number), study.ask())

    def propose(self, number: int) -> None:
        rng = random.Random(number)
        trial = self.study.ask()
        suggest(trial, self.job.space)
        self.study.tell(trial, [rng.random() for _ in self.objectives])

    def filter(self, number: int) -> None:
        self.prefilter.measure(self.networks(number))


def trials_work(sampler: BaseSampler, job: Job, networks: Representatives) -> list[Work]:
    """What there is to be done.

    Args:
        sampler: Proposes architectures.
        job: What there is to be done.
        networks: Of the space, for samples.
    """
    count, trials = job.trials.count, _Trials(sampler, job, networks)
    ended = job.pruner is not None or job.trials.reuse != "none"
    scored = 0 if job.prefilter is None else trials.prefilter.samples
    return [
        *(
            [Work("scoring without training", scored, trials.filter, "networks", networks.ready, samples=3)]
            if scored
            else []
        ),
        Work(
            "trials",
            count,
            trials.evaluate,
            "trials",
            trials.ready,
            samples=3,
            may_end_early=ended,
            keeps=False,
            shared=False,
        ),
        Work("proposals", count, trials.propose, "trials", samples=count, shared=False),
    ]
