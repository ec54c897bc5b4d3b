"""Regularised evolution: the oldest member of the population dies, not the worst.

Source: Real, Aggarwal, Huang, Le 2019, "Regularized Evolution for Image Classifier Architecture Search", arXiv 1802.01548.
"""

from __future__ import annotations

import random
from collections import deque

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.base import ArchitectureSampler, Told


class RegularizedEvolution(ArchitectureSampler):
    """Ageing evolution (algorithm 1 of the paper).

    The first ``population`` trials are random. Every later one is a mutant of the fittest of ``tournament`` members, drawn
    uniformly with replacement; when it has been evaluated it joins the population and the oldest member leaves.
    How a mutant arises is the search space's own affair (``mutate``).

    Args:
        space: The search space.
        population: Number of members, P.
        tournament: Number of members that are drawn for a parent, S.
        identity: Probability that the child is its parent again (the paper's identity mutation, 0.05).
        seed: Of all draws.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=RegularizedEvolution(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        population: int = 100,
        tournament: int = 25,
        identity: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed=seed)
        for name, value in (("population", population), ("tournament", tournament)):
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, got {value}")
        if not 0 <= identity < 1:
            raise ArgumentError(f"identity must be at least 0 and below 1, got {identity}")
        self.population, self.tournament, self.identity = population, tournament, identity
        self.members: deque[Told] = deque(maxlen=population)

    def observe(self, told: Told) -> None:
        """The newest member joins; the oldest one leaves if there are too many."""
        self.members.append(told)

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """A random architecture at first, then a mutant of the winner of a tournament."""
        if len(self.members) < self.population:
            return self.space.sample(rng)
        drawn = [rng.choice(self.members) for _ in range(self.tournament)]
        parent = max(drawn, key=lambda member: member.value)
        if rng.random() < self.identity:
            return dict(parent.choices)
        return self.space.mutate(parent.choices, rng)
