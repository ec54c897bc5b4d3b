"""Local search: from the best of some random architectures uphill, neighbour by neighbour.

Source: White, Nolen, Savani 2021, "Exploring the Loss Landscape in Neural Architecture Search", arXiv 2005.02960.
"""

from __future__ import annotations

import random
from collections.abc import Hashable

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.base import ArchitectureSampler, Told


class LocalSearch(ArchitectureSampler):
    """Hill climbing with restarts over the neighbours that a space defines.

    The climb starts at the best of ``initial`` random architectures. With ``first_improvement`` it moves as soon as a
    neighbour is better, else after all neighbours are known, to the best of them. Where no neighbour is better, it starts
    anew from so many other random architectures.

    Args:
        space: The search space.
        initial: Random architectures before every climb.
        first_improvement: See above.
        seed: Of all draws.
        isomorphic: Whether architectures of the same function count as one.

    Raises:
        ValueError: If ``initial`` is below 1.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=LocalSearch(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        initial: int = 10,
        first_improvement: bool = True,
        seed: int = 0,
        isomorphic: bool = False,
    ) -> None:
        super().__init__(space, seed=seed, isomorphic=isomorphic)
        if initial < 1:
            raise ArgumentError(f"initial must be at least 1, got {initial}")
        self.initial, self.first_improvement = initial, first_improvement
        self.centre: Told | None = None
        self._start: list[Told] = []  # the random architectures of the coming climb
        self._value: dict[Hashable, Told] = {}
        self._around: list[dict[str, Option]] = []  # neighbours of the centre, in the order in which they are asked

    def observe(self, told: Told) -> None:
        """Starts a climb, or moves uphill."""
        key = self.key(told.choices)
        if key not in self._value or told.value > self._value[key].value:
            self._value[key] = told
        if self.centre is None:
            self._start.append(told)
            if len(self._start) >= self.initial:
                self._move(max(self._start, key=lambda start: start.value))
                self._start = []
        elif self.first_improvement and told.value > self.centre.value and told.choices in self._around:
            self._move(told)
        self._climb()

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """A random architecture before a climb, else the next neighbour that nobody has evaluated."""
        if self.centre is not None:
            for neighbour in self._around:
                if self.is_new(neighbour):
                    return neighbour
        return self.new_sample(rng)

    def _move(self, centre: Told) -> None:
        self.centre = centre
        self._around = self.space.neighbours(centre.choices)
        self.generator("around", *centre.choices.values()).shuffle(self._around)

    def _climb(self) -> None:
        """Goes on as far as what is known allows: uphill, or to a new start where it is a peak."""
        while self.centre is not None:
            keys = [self.key(neighbour) for neighbour in self._around]
            known = [self._value[key] for key in keys if key in self._value]
            best = max(known, key=lambda told: told.value, default=self.centre)
            if len(known) < len(keys) and not (self.first_improvement and best.value > self.centre.value):
                return
            if best.value > self.centre.value:
                self._move(best)
            else:
                self.centre, self._around = None, []
