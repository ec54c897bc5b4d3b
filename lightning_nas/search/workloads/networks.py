"""Networks of a space that stand for all of them: those whose cost is nearest to the mean."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cached_property, partial
from statistics import fmean

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import UncountableError
from lightning_nas.search.costs import macs_of_choice
from lightning_nas.search.job import Job
from lightning_nas.spaces import SearchSpace

DRAWS = 8
"""Random networks whose multiply-adds are counted."""


def nearest_to_mean(drawn: list[dict[str, Option]], macs: Callable[[Choices], float]) -> list[dict[str, Option]]:
    """Networks in the order of how near they are in multiply-adds to the mean of all; the first ones of equals first.

    Args:
        drawn: The networks.
        macs: Of a network.
    """
    counted = [macs(choices) for choices in drawn]
    mean = fmean(counted)
    return [drawn[place] for place in sorted(range(len(drawn)), key=lambda place: abs(counted[place] - mean))]


class Representatives:
    """Networks of a job's space, the one of mean cost first; nothing is drawn before one is asked for.

    Args:
        job: Of the search.

    Example:
        >>> from lightning_nas.search import Job
        >>> from lightning_nas.spaces import NasBench201
        >>> job = Job(NasBench201(nodes=3), datamodule=None, make_task=None, folder="runs/mine")
        >>> len(Representatives(job)(0))
        3
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, number: int) -> dict[str, Option]:
        """The network of a sample."""
        return self._networks[number % len(self._networks)]

    def ready(self) -> None:
        """Draws them."""
        _ = self._networks

    @cached_property
    def _networks(self) -> list[dict[str, Option]]:
        drawn = draws(self._job.space, self._job.seed)
        macs = partial(macs_of_choice, self._job.supernet_task, self._job.datamodule)
        try:
            return nearest_to_mean(drawn, lambda choices: macs(partial(self._job.space.network, choices)))
        except (UncountableError, TypeError):  # a task whose forward cannot be run is estimated by any of its networks
            return drawn


def draws(space: SearchSpace, seed: int) -> list[dict[str, Option]]:
    """Random networks of a space."""
    rng = random.Random(seed)
    return [space.sample_sound(rng) for _ in range(DRAWS)]
