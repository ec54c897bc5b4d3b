"""Which networks of a trained supernet are measured, to find the front of metric and cost: it knows no training."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError, NasError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.pareto import pareto_front, thinned
from lightning_nas.strategies.paths.predicted import Key, Predictor, predicted_best

TRIES = 5
"""Draws per wanted network before the search takes fewer."""

Costs = Mapping[str, float]


@dataclass(frozen=True)
class Measured:
    """A network that was measured.

    Args:
        choices: Of the network.
        value: The metric, the larger the better; minus infinity if it is no finite number.
        costs: By name.
        round: In which it was asked for, from 0 on.
    """

    choices: dict[str, Option]
    value: float
    costs: dict[str, float]
    round: int = field(default=0)


class FrontSearch:
    """All networks of a small space; else random ones, then in every round the front as a predictor sees it.

    No network is asked twice, and none that breaks a limit. What is asked in a round follows from the rounds before it, so that
    a search that was interrupted goes on when it has been told what was measured.

    Args:
        space: The search space.
        costs: Of a network, by name; asked for once per network.
        feasible: Whether a network of such costs keeps the limits.
        cost: The one that is minimised.
        limits: Of costs, by name, for the predictions.
        exhaustive: All networks are measured where there are at most so many.
        initial: Random networks of round 0; the largest and the smallest one of a space with an order of size are among them.
        rounds: Of predictions.
        per_round: Networks measured per round, at most.
        population: Of NSGA-II on the predictions.
        generations: The same.
        seed: Seed of all draws.

    Raises:
        NasError: If no network keeps the limits.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> search = FrontSearch(
        ...     NasBench201(nodes=3), lambda choices: {"macs": 1.0}, lambda costs: True, cost="macs", exhaustive=200
        ... )
        >>> search.total, len(list(search.waiting()))
        (125, 125)
    """

    def __init__(
        self,
        space: SearchSpace,
        costs: Callable[[Choices], dict[str, float]],
        feasible: Callable[[dict[str, float]], bool],
        *,
        cost: str,
        limits: Mapping[str, float | None] | None = None,
        exhaustive: int = 100,
        initial: int = 40,
        rounds: int = 4,
        per_round: int = 15,
        population: int = 50,
        generations: int = 20,
        seed: int = 0,
    ) -> None:
        self.space, self.cost, self.limits, self.seed = space, cost, dict(limits or {}), seed
        self.initial, self.rounds, self.per_round = initial, rounds, per_round
        self.population, self.generations = population, generations
        self.history: list[Measured] = []
        self._count, self._feasible = costs, feasible
        self._known: dict[Key, dict[str, float]] = {}
        self.all = space.size() <= exhaustive
        self._first = self._of_all() if self.all else self._at_random()
        if not self._first:
            raise NasError(self._refusal())

    @property
    def total(self) -> int:
        """How many networks are measured, at most."""
        return len(self._first) if self.all else len(self._first) + self.rounds * self.per_round

    def costs(self, choices: Choices) -> dict[str, float]:
        """Those of a network, counted once."""
        key = tuple(choices.items())
        if key not in self._known:
            self._known[key] = self._count(choices)
        return self._known[key]

    def tell(self, measured: Measured) -> None:
        """Adds what was measured, also by an earlier attempt.

        Raises:
            ArchitectureError: If it is not a network of the space.
        """
        self.space.validate(measured.choices)
        ordered = {name: measured.choices[name] for name in self.space.decisions if name in measured.choices}
        if not set(self._needed()) <= set(measured.costs):
            raise ArchitectureError(f"costs must hold {sorted(self._needed())}, got {sorted(measured.costs)}")
        self._known[tuple(ordered.items())] = measured.costs
        self.history.append(Measured(ordered, measured.value, measured.costs, measured.round))

    def waiting(self) -> Iterator[tuple[dict[str, Option], int]]:
        """The networks that have to be measured, each with its round; tell the one before asking for the next."""
        for number in range(1 if self.all else self.rounds + 1):
            told = {tuple(one.choices.items()) for one in self.history}
            for choices in self._batch(number):
                if tuple(choices.items()) not in told:
                    yield choices, number

    def front(self) -> list[Measured]:
        """The networks that no other one dominates, cheapest first.

        Raises:
            NasError: If none of those measured has a finite metric.
        """
        finite = [one for one in self.history if math.isfinite(one.value) and self._feasible(one.costs)]
        if not finite:
            raise NasError(
                "no network that was measured has a metric that is a finite number; was the supernet trained?"
            )
        best = [finite[index] for index in pareto_front([(one.value, one.costs[self.cost]) for one in finite])]
        return [best[index] for index in thinned([(one.value, one.costs[self.cost]) for one in best], len(best))]

    # ---- batches --------------------------------------------------------------------------------------------------------

    def _batch(self, number: int) -> list[dict[str, Option]]:
        """The networks of a round, which follow from the rounds before it."""
        if not number:
            return self._first
        before = [one for one in self.history if one.round < number and math.isfinite(one.value)]
        known = [one.choices for one in self.history if one.round < number]
        if len(before) < 2 or len(known) >= self.space.size():
            return []
        predictor = Predictor(
            self.space, [one.choices for one in before], [one.value for one in before], [one.costs for one in before]
        )
        best = pareto_front([(one.value, one.costs[self.cost]) for one in before])
        predicted = predicted_best(
            self.space, predictor, cost=self.cost, limits=self.limits, known=known, start=[before[i].choices for i in best],
            count=self.per_round, population=self.population, generations=self.generations, seed=self.seed + number,
        )  # fmt: skip
        return self._kept(predicted)

    def _at_random(self) -> list[dict[str, Option]]:
        """The first batch: both ends of the order of size, random networks, then mutants if few of those keep the limits."""
        rng = random.Random(self.seed)
        kept: dict[Key, dict[str, Option]] = {}
        ends = _ends(self.space)
        if ends and not self._feasible(self.costs(ends[0])):
            return []  # where the smallest breaks a limit all do
        for draw in range(TRIES * self.initial):
            if len(kept) >= self.initial:
                break
            if draw < len(ends):
                choices = ends[draw]
            elif draw < 2 * self.initial or not kept:
                choices = self.space.sample(rng)
            else:
                choices = self.space.mutate(rng.choice(list(kept.values())), rng)
            if tuple(choices.items()) not in kept and self._feasible(self.costs(choices)):
                kept[tuple(choices.items())] = choices
        return list(kept.values())

    def _of_all(self) -> list[dict[str, Option]]:
        return self._kept(every_network(self.space))

    def _kept(self, networks: Iterable[dict[str, Option]]) -> list[dict[str, Option]]:
        return [choices for choices in networks if self._feasible(self.costs(choices))]

    def _needed(self) -> set[str]:
        return {self.cost, *(name for name, limit in self.limits.items() if limit is not None)}

    def _refusal(self) -> str:
        given = [f"max_{name} = {limit:g}" for name, limit in self.limits.items() if limit is not None]
        least = {
            name: min(costs[name] for costs in self._known.values())
            for name, limit in self.limits.items()
            if limit is not None
        }
        reached = ", ".join(f"{name} = {value:g}" for name, value in least.items())
        return (
            f"{', '.join(given)}: none of {len(self._known)} networks of space {self.space.name!r} keeps all limits; the least "
            f"of each is {reached}"
        )


def _ends(space: SearchSpace) -> list[dict[str, Option]]:
    """The smallest and the largest network; none of a space without an order of size."""
    try:
        return [space.smallest(), space.largest()]
    except NasError:
        return []


def every_network(space: SearchSpace) -> Iterator[dict[str, Option]]:
    """All networks of a space, in the order of their decisions.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> len(list(every_network(NasBench201(nodes=3))))
        125
    """

    def after(choices: dict[str, Option], place: int) -> Iterator[dict[str, Option]]:
        if place == len(space.decisions):
            yield choices
            return
        name = space.decisions[place]
        options = space.options(name, choices)
        if not options:
            yield from after(choices, place + 1)
        for option in options:
            yield from after({**choices, name: option}, place + 1)

    yield from after({}, 0)
