"""What a comparison consists of: trainings and tests of networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial

from lightning_nas.evaluation.comparison import contest_of
from lightning_nas.evaluation.contenders import Contender, contenders, contestants, started
from lightning_nas.runs.settings import ComparisonSettings
from lightning_nas.search import Job
from lightning_nas.search.paths.front_networks import front_task
from lightning_nas.search.workloads import Representatives, Work

RANDOM = 2
"""Random networks that are trained in samples, at most."""


class _Comparison:
    """Trains and tests networks as a comparison does, before there is a found one."""

    def __init__(self, job: Job, settings: ComparisonSettings, networks: Representatives, *, kept: bool) -> None:
        self.job, self.settings = job, settings
        self.networks, self.contest = networks, contest_of(job, settings, kept=kept)
        self.random = settings.drawn(trained=kept)

    @cached_property
    def contenders(self) -> list[Contender]:
        """The found one, of which one of mean cost takes the place, and the others."""
        architecture = self.job.space.architecture(self.networks(0))
        few = replace(self.settings, random=min(self.random, RANDOM))
        return list(contenders(self.job, architecture, few, found=True))

    def ready(self) -> None:
        """Draws the contenders."""
        _ = self.contenders

    def draw(self, number: int) -> None:
        """A random network as near in cost to the found one as the settings say."""
        few = replace(self.settings, random=1, hand_made=False)
        list(contenders(self.job, self.job.space.architecture(self.networks(number)), few, found=False))

    def trained(self, kind: str) -> Callable[[int], object]:
        def once(number: int) -> None:
            some = [one for one in self.contenders if one.kind == kind]
            one = some[number % len(some)]
            self.contest.run(one.name, one.kind, one.build)

        return once

    def tested(self, kind: str) -> Callable[[int], object]:
        """Of the front that a sample of a search has left."""
        return lambda number: self.contest.test(kind, kind, partial(front_task, self.job, 0))

    def by_itself(self, number: int) -> None:
        architecture = self.job.space.architecture(self.networks(0))
        self.contest.run("by itself", "alone", partial(started, self.job, architecture))


def comparison_work(job: Job, settings: ComparisonSettings, networks: Representatives, *, kept: int) -> list[Work]:
    """What there is to be done after a search.

    Args:
        job: The search. If it keeps a front, the samples of its :func:`~lightning_nas.search.workloads.workload` come before.
        settings: What is compared.
        networks: Of the space, for samples.
        kept: How many trained networks the search leaves; 0 if the found one is trained now.
    """
    made = _Comparison(job, settings, networks, kept=kept > 0)
    random = made.random
    hand = len(contestants(replace(settings, random=0, alone=0), job.space, trained=True))
    works = [Work("training the found network", 1, made.trained("found"), "", made.ready)]
    if kept:
        works = [
            Work("testing the found network", 1, made.tested("found")),
            Work("testing the front", kept - 1, made.tested("front"), "networks", may_end_early=True),
            Work("training the front by itself", min(settings.alone, kept), made.by_itself, "networks"),
        ]
    if settings.draws > 1:
        works.append(
            Work("drawing random networks", random, made.draw, "networks", networks.ready, samples=2, shared=False)
        )
    works += [
        Work(
            "training random networks",
            random,
            made.trained("random"),
            "networks",
            made.ready,
            samples=min(RANDOM, random),
        ),
        Work("training those made by hand", hand, made.trained("baseline"), "networks", made.ready, samples=hand),
    ]
    return [work for work in works if work.count]
