"""The constrained evolution of single-path search, as ask and tell: it knows no training.

Sources: Guo et al. 2020, arXiv 1904.00420, algorithm 1; Chen et al. 2019, arXiv 1903.10979, section 3.3.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import islice

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError, ArgumentError, NasError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.shortlist import Shortlist

TRIES = 10
"""Draws per wanted candidate before an operator gives up."""

Key = tuple[tuple[str, Option], ...]


class Evolution:
    """Rounds of candidates: mutants and children of the best so far, the rest drawn at random.

    No candidate is asked twice and none is infeasible. The parents are the best of all rounds. ``tell`` answers the last
    ``ask``. Told the same, it asks the same: a search that was interrupted goes on after its history is replayed.

    Args:
        space: The search space.
        feasible: Whether an architecture keeps the constraint, e.g. on multiply-adds.
        population: Candidates per round.
        rounds: Number of rounds.
        parents: How many of the best so far have children.
        mutants: Candidates per round by mutation: every decision is drawn anew with ``mutation_probability``.
        crossovers: Candidates per round that take every decision from one of two parents.
        mutation_probability: See ``mutants``.
        seed: Of all draws.

    Raises:
        NasError: If an argument is out of range, or no feasible architecture can be found.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> space = NasBench201(nodes=3)
        >>> sizes = {"population": 4, "rounds": 2, "parents": 2, "mutants": 2, "crossovers": 2, "mutation_probability": 0.5}
        >>> evolution = Evolution(space, lambda choices: True, **sizes, seed=0)
        >>> while not evolution.done:
        ...     choices = evolution.ask()
        ...     evolution.tell(choices, sum(option == "nor_conv_3x3" for option in choices.values()))
        >>> len(evolution.history)
        8
    """

    def __init__(
        self,
        space: SearchSpace,
        feasible: Callable[[Choices], bool] = lambda choices: True,
        *,
        population: int = 50,
        rounds: int = 20,
        parents: int = 10,
        mutants: int = 20,
        crossovers: int = 20,
        mutation_probability: float = 0.1,
        seed: int = 0,
    ) -> None:
        for name, value, low in (
            ("population", population, 1),
            ("rounds", rounds, 1),
            ("parents", parents, 1),
            ("mutants", mutants, 0),
            ("crossovers", crossovers, 0),
        ):
            if value < low:
                raise NasError(f"{name} must be at least {low}, got {value}")
        if mutants + crossovers > population:
            raise NasError(
                f"mutants + crossovers must be at most population = {population}, got {mutants + crossovers}"
            )
        if not 0 < mutation_probability <= 1:
            raise NasError(f"mutation_probability must be above 0 and at most 1, got {mutation_probability}")
        self.space, self.feasible = space, feasible
        self.population, self.rounds, self.parents = population, rounds, parents
        self.mutants, self.crossovers, self.mutation_probability = mutants, crossovers, mutation_probability
        self.history: list[tuple[dict[str, Option], float]] = []
        self._rng = random.Random(seed)
        self._asked: set[Key] = set()
        self._round = 0
        self._waiting: list[dict[str, Option]] = []
        self._next_round()

    @property
    def round(self) -> int:
        """The round of what is asked next, from 1 on."""
        return self._round

    @property
    def total(self) -> int:
        """How often something is asked at most, in all rounds together."""
        return self.population * self.rounds

    @property
    def done(self) -> bool:
        """Whether all rounds are over."""
        return not self._waiting

    def ask(self) -> dict[str, Option]:
        """The next candidate; the same one until it is told.

        Raises:
            ValueError: If all rounds are over.
        """
        if self.done:
            raise ArgumentError(f"all {self.rounds} rounds are over")
        return dict(self._waiting[0])

    def tell(self, choices: Choices, fitness: float) -> None:
        """Answers the last :meth:`ask`; larger is better.

        Raises:
            ValueError: If another candidate was asked, or the fitness is not a number.
        """
        if self.done or dict(choices) != self._waiting[0]:
            raise ArgumentError(f"choices must be those that were asked last, got {dict(choices)}")
        if fitness != fitness:
            raise ArgumentError(f"fitness must be a number, got {fitness}")
        self.history.append((self._waiting.pop(0), float(fitness)))
        if not self._waiting and self._round < self.rounds:
            self._next_round()

    def best(self) -> tuple[dict[str, Option], float]:
        """The fittest candidate so far, the earlier one of equals.

        Raises:
            ValueError: If nothing has been told yet.
        """
        if not self.history:
            raise ArgumentError("there is no best candidate before the first tell()")
        return max(self.history, key=lambda item: item[1])

    # ---- rounds -------------------------------------------------------------------------------------------------

    def _next_round(self) -> None:
        self._round += 1
        if self._round > 1:
            ranked = sorted(self.history, key=lambda item: -item[1])
            best = [choices for choices, _ in ranked[: self.parents]]
            self._collect(lambda: self._mutant(self._rng.choice(best)), self.mutants)
            self._collect(lambda: self._child(best), self.crossovers)
        self._collect(lambda: self.space.sample(self._rng), self.population - len(self._waiting))
        if not self._waiting and self._round == 1:
            raise NasError(
                f"feasible: none of {TRIES * self.population} random architectures keeps the constraint; loosen it"
            )

    def _collect(self, draw: Callable[[], dict[str, Option]], count: int) -> None:
        """Adds so many new, feasible candidates, or as many as can be found."""
        new = (choices for choices in (draw() for _ in range(TRIES * count)) if self._is_new(choices))
        self._waiting += islice(new, count)

    def _is_new(self, choices: dict[str, Option]) -> bool:
        key = tuple(sorted(choices.items()))
        if key in self._asked or not self.feasible(choices):
            return False
        self._asked.add(key)
        return True

    def _mutant(self, parent: Choices) -> dict[str, Option]:
        """Every decision drawn anew with a small probability; those whose options vanished by that as well."""
        kept = {name: option for name, option in parent.items() if self._rng.random() >= self.mutation_probability}
        return self.space.complete(kept, self._rng)

    def _child(self, parents: list[dict[str, Option]]) -> dict[str, Option]:
        return self.space.crossover(self._rng.choice(parents), self._rng.choice(parents), self._rng)


def replay(candidates: Evolution | Shortlist, history: Iterable[tuple[Choices, float]]) -> None:
    """Brings a new evolution or shortlist to the state of one that was told this history.

    Raises:
        ArchitectureError: If the history is of another search: other arguments, another seed or another space.
    """
    for choices, fitness in history:
        if candidates.done or dict(choices) != candidates.ask():
            raise ArchitectureError("the history belongs to another search: other settings, another seed or space")
        candidates.tell(choices, fitness)
