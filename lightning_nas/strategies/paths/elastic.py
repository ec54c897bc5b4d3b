"""Train once, take the front: one supernet trained so that many of its networks are good as they are.

Sources: Cai et al. 2020, "Once-for-All", arXiv 1908.09791; Yu et al. 2020, "BigNAS", arXiv 2003.11142; Cummings et al. 2022,
"LINAS", arXiv 2205.10358 (a predictor within the search for the front).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError, NasError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.base import PathStrategy
from lightning_nas.strategies.paths.divergence import DIVERGENCES, Divergence, DivergenceName
from lightning_nas.strategies.paths.front import FrontSearch
from lightning_nas.strategies.paths.step_rules import (
    STAGES,
    StepRule,
    at_one_size,
    check_rule,
    kinds_of,
    networks_of_step,
)

CostName = Literal["macs", "params", "latency_ms"]
Preference = Literal["best", "knee"]


class Elastic(PathStrategy):
    """The settings of a training of all networks at once, and of the choice of a front afterwards.

    Args:
        rule: Which networks a step trains, see :func:`networks_of_step`: ``"uniform"``, ``"sandwich"``, ``"alternate"`` or
            ``"progressive"``.
        networks: Random networks per step; None: as published for the rule.
        stages: Kinds of decisions that ``"progressive"`` lets loose, in order.
        distillation: How much of the loss of every network but the largest is its distance to the largest one's outputs; the
            rest is the loss by labels. 0: labels alone; 1, as in BigNAS: outputs alone.
        divergence: That distance: ``"kl"``, or ``"alpha"``, see :func:`alpha_divergence`.
        ema: Decay per step of an average of the weights, which is what is kept; None for none.
        recalibration_batches: Training batches that estimate the statistics of BatchNorm for every network that is measured.
        metric: Logged by the task in validation; what the front maximises. None: what also decides comparisons.
        cost: What it minimises, of the whole network for one image: ``"macs"``, ``"params"`` or ``"latency_ms"``.
        max_macs: Limit of every network; None for none.
        max_params: The same of the parameters.
        max_latency_ms: The same of the latency, as measured where the search runs.
        exhaustive: All networks are measured where there are at most so many; else what follows holds.
        initial: Random networks that are measured first.
        rounds: How often a predictor learns from all that are measured, and the front of its predictions is measured.
        per_round: Networks that are measured in a round, at most.
        population: Of NSGA-II on the predictions.
        generations: The same.
        front_size: Networks of the front that are kept, at most: evenly spread, the cheapest and the best among them.
        tune_epochs: Epochs in which each of them is trained by itself in the end; one that gets worse in validation keeps the
            weights that it had.
        tune_rate: Factor of the task's learning rates then.
        prefer: Which one is the architecture of the run: the ``"best"`` by the metric, or the one at the ``"knee"``: farthest
            above the line between the cheapest and the best.
        seed: Seed of all draws.

    Raises:
        ArgumentError: If an argument is out of range.

    Example:
        >>> from lightning_nas.spaces import Chain
        >>> strategy = Elastic(rule="alternate")
        >>> strategy.step(Chain(), step=0) == [Chain().largest()]
        True
    """

    keeps_networks = True
    trains = "many networks of a supernet at once"
    usage = "Trainer().fit(lightning_nas.search.ElasticModule(module, strategy), data)"

    def __init__(
        self,
        *,
        rule: StepRule = "uniform",
        networks: int | None = None,
        stages: Sequence[str] = STAGES,
        distillation: float = 0.0,
        divergence: DivergenceName = "kl",
        ema: float | None = None,
        recalibration_batches: int = 12,
        metric: str | None = None,
        cost: CostName = "macs",
        max_macs: float | None = None,
        max_params: float | None = None,
        max_latency_ms: float | None = None,
        exhaustive: int = 100,
        initial: int = 20,
        rounds: int = 2,
        per_round: int = 8,
        population: int = 50,
        generations: int = 20,
        front_size: int = 8,
        tune_epochs: int = 0,
        tune_rate: float = 1.0,
        prefer: Preference = "best",
        seed: int = 0,
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        check_rule(rule, networks)
        if not 0 <= distillation <= 1:
            raise ArgumentError(f"distillation must be from 0 to 1, got {distillation}")
        if ema is not None and not 0 < ema < 1:
            raise ArgumentError(f"ema must be between 0 and 1, or null, got {ema}")
        if tune_rate <= 0:
            raise ArgumentError(f"tune_rate must be positive, got {tune_rate}")
        named = {
            "divergence": (divergence, get_args(DivergenceName)),
            "cost": (cost, get_args(CostName)),
            "prefer": (prefer, get_args(Preference)),
        }
        for name, (value, allowed) in named.items():
            if value not in allowed:
                raise ArgumentError(f"{name} must be one of {list(allowed)}, got {value!r}")
        counts = {
            "recalibration_batches": (recalibration_batches, 0), "exhaustive": (exhaustive, 0), "initial": (initial, 2),
            "rounds": (rounds, 0), "per_round": (per_round, 1), "population": (population, 2),
            "generations": (generations, 1), "front_size": (front_size, 1), "tune_epochs": (tune_epochs, 0),
        }  # fmt: skip
        for name, (number, least) in counts.items():
            if number < least:
                raise ArgumentError(f"{name} must be at least {least}, got {number}")
        self.limits = {"macs": max_macs, "params": max_params, "latency_ms": max_latency_ms}
        for name, limit in self.limits.items():
            if limit is not None and limit <= 0:
                raise ArgumentError(f"max_{name} must be positive or null, got {limit}")
        self.rule, self.networks, self.stages = rule, networks, tuple(stages)
        self.distillation, self.divergence_name, self.ema = distillation, divergence, ema
        self.recalibration_batches, self.cost = recalibration_batches, cost
        self.exhaustive, self.initial, self.rounds, self.per_round = exhaustive, initial, rounds, per_round
        self.population, self.generations = population, generations
        self.front_size, self.prefer = front_size, prefer
        self.tune_epochs, self.tune_rate = tune_epochs, tune_rate

    @property
    def divergence(self) -> Divergence:
        """The function of that name."""
        return DIVERGENCES[self.divergence_name]

    @property
    def costs(self) -> tuple[str, ...]:
        """What has to be known of every network that is measured: multiply-adds, parameters, and latency where it matters."""
        timed = self.cost == "latency_ms" or self.limits["latency_ms"] is not None
        return ("macs", "params", *(("latency_ms",) if timed else ()))

    def check_space(self, space: SearchSpace) -> None:
        """Checks that the step rule, distillation and a space fit.

        Raises:
            NasError: If the space has no order of size, and the rule or distillation needs its largest network.
        """
        try:
            self.step(space, step=0)
            if self.distillation:
                space.largest()
        except NasError as error:
            needs = f"rule = {self.rule!r}" if self.rule != "uniform" else f"distillation = {self.distillation}"
            raise NasError(f"{needs}: {error}") from error
        if self.rule == "progressive" and len(kinds_of(space, self.stages)) < 2:
            raise NasError(
                f"rule = 'progressive': space {space.name!r} has decisions of one kind only, stages = {self.stages}"
            )

    def step(self, space: SearchSpace, *, step: int, share: float = 0.0) -> list[dict[str, Option]]:
        """The networks of a step, see :func:`networks_of_step`; where they learn from outputs all see one size of image."""
        networks = networks_of_step(
            self.rule, space, seed=self.seed, step=step, share=share, networks=self.networks, stages=self.stages
        )
        return at_one_size(space, networks) if self.distillation else networks

    def measured(self, space: SearchSpace) -> int:
        """How many networks of a space are measured, at most."""
        size = space.size()
        return size if size <= self.exhaustive else min(self.initial + self.rounds * self.per_round, size)

    def kept(self, space: SearchSpace) -> int:
        """How many networks of the front stay, at most."""
        return min(self.front_size, self.measured(space))

    def keeps_limits(self, costs: dict[str, float]) -> bool:
        """Whether a network of such costs keeps all limits."""
        return all(limit is None or costs[name] <= limit for name, limit in self.limits.items())

    def front(self, space: SearchSpace, costs: Callable[[Choices], dict[str, float]]) -> FrontSearch:
        """The search for the front.

        Args:
            space: The search space.
            costs: Of a network, by name: at least :attr:`costs`.

        Raises:
            NasError: If no network keeps the limits.
        """
        return FrontSearch(
            space, costs, self.keeps_limits, cost=self.cost, limits=self.limits, exhaustive=self.exhaustive,
            initial=self.initial, rounds=self.rounds, per_round=self.per_round, population=self.population,
            generations=self.generations, seed=self.seed,
        )  # fmt: skip
