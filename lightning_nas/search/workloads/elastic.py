"""What a search for a front consists of: one training, measurements of networks as they are, those that are kept."""

from __future__ import annotations

import copy
import random
from functools import cached_property, partial

from lightning_nas.search.costs import costs_of_choice
from lightning_nas.search.job import Job
from lightning_nas.search.paths.front_latency import SAMPLES, deployed_latency
from lightning_nas.search.paths.front_networks import FrontNetworks
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.search.procedures.elastic import train_all
from lightning_nas.search.workloads.networks import Representatives
from lightning_nas.search.workloads.paths import FEW, recalibrating, with_few_batches
from lightning_nas.search.workloads.work import Work
from lightning_nas.strategies import Elastic
from lightning_nas.strategies.paths.front import Measured


class _Front:
    """A trained supernet, and what is done with its networks."""

    def __init__(self, strategy: Elastic, job: Job, networks: Representatives) -> None:
        self.strategy, self.job, self.networks = strategy, job, networks

    @cached_property
    def scores(self) -> SharedWeights:
        return with_few_batches(train_all(self.strategy, self.job))

    def train(self, number: int) -> None:
        _ = self.scores

    def measure(self, number: int) -> None:
        """Counts the costs of a network, and validates it."""
        job, choices = self.job, self.networks(number)
        costs_of_choice(job.supernet_task, job.datamodule, partial(job.space.network, choices))
        self.scores.score(choices)

    def predict(self, number: int) -> None:
        """The whole choice of what is measured, on made-up values."""
        rng = random.Random(number)
        search = self.strategy.front(
            self.job.space, lambda choices: dict.fromkeys(self.strategy.costs, rng.uniform(1e-9, 1e-8))
        )
        for choices, place in search.waiting():
            search.tell(Measured(choices, rng.random(), search.costs(choices), place))

    def keep(self, number: int) -> None:
        """Cuts a network out, counts and times it, writes its folder and the record of a front of it alone."""
        job = self.job
        one = Measured(self.networks(number), 0.5, dict.fromkeys(self.strategy.costs, 1.0))
        unlimited = _without_limits(self.strategy)
        FrontNetworks(unlimited, job, self.scores).keep([one], measured=1)

    def recalibrate(self, number: int) -> None:
        self.scores.prepare(self.networks(number))

    def time(self, number: int) -> None:
        """Latency of a network before the search."""
        job = self.job
        device = job.trainers.silent(job.folder).strategy.root_device
        deployed_latency(job.supernet_task(job.space.network(self.networks(number))), job.datamodule, device)


def front_work(strategy: Elastic, job: Job, networks: Representatives) -> list[Work]:
    """What there is to be done.

    Args:
        strategy: The settings.
        job: What there is to be done.
        networks: Of the space, for samples.

    Raises:
        NasError: If the space does not fit the strategy.
    """
    strategy.check_space(job.space)
    front = _Front(strategy, job, networks)
    measured = strategy.measured(job.space)
    kept = strategy.kept(job.space)
    works = [Work("training the supernet", 1, front.train)]
    if "latency_ms" in strategy.costs:
        count = min(SAMPLES, job.space.size())
        works.append(Work("latency of networks", count, front.time, "networks", networks.ready, shared=False))
    works.append(Work("measuring networks", measured, front.measure, "networks", networks.ready, samples=3))
    more = recalibrating(strategy.recalibration_batches, measured + kept)
    if more:
        works.append(Work("statistics of networks", more, front.recalibrate, f"x {FEW} batches"))
    if job.space.size() > strategy.exhaustive and strategy.rounds:
        works.append(Work("predicting the front", 1, front.predict, shared=False))
    tuning = " and tuning" if strategy.tune_epochs else ""
    works.append(Work(f"keeping{tuning} the front", kept, front.keep, "networks", may_end_early=True))
    return works


def _without_limits(strategy: Elastic) -> Elastic:
    own = copy.copy(strategy)
    own.limits = dict.fromkeys(strategy.limits)
    return own
