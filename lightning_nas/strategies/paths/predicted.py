"""A front by prediction: NSGA-II over what a Gaussian process has learnt of the networks that were measured.

Sources: Cummings et al. 2022, "LINAS", arXiv 2205.10358; Deb et al. 2002, NSGA-II (Optuna's).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import optuna

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.encoding import Array, Encoder
from lightning_nas.strategies.blackbox.gaussian_process import GaussianProcess, normal_scores
from lightning_nas.strategies.blackbox.parameters import parameters_of, suggest
from lightning_nas.strategies.paths.pareto import pareto_front, thinned

Key = tuple[tuple[str, Option], ...]

_PENALTY = 100.0  # far more than scores differ by, so that every network that keeps the limits comes before


class Predictor:
    """Predicts the value and the costs of networks from those that were measured.

    Values are learnt as normal scores of their ranks, costs as logarithms.

    Args:
        space: The search space.
        measured: Networks.
        values: Of each, the larger the better.
        costs: Of each, by name; positive.
    """

    def __init__(
        self,
        space: SearchSpace,
        measured: Sequence[Choices],
        values: Sequence[float],
        costs: Sequence[Mapping[str, float]],
    ) -> None:
        self._encode = Encoder(space)
        code = self._encode(measured)
        self._value = GaussianProcess().fit(code, normal_scores(np.asarray(values, dtype=np.float64)))
        self._costs: dict[str, tuple[GaussianProcess | None, float, float]] = {}
        for name in costs[0]:
            logs = np.log([max(cost[name], 1e-12) for cost in costs])
            mean, spread = float(logs.mean()), float(logs.std())
            process = GaussianProcess(noise=1e-4).fit(code, (logs - mean) / spread) if spread > 1e-9 else None
            self._costs[name] = process, mean, spread

    def __call__(self, networks: Sequence[Choices]) -> tuple[Array, dict[str, Array]]:
        """Scores ``(n,)``, whose order is that of the values, and costs ``(n,)`` by name."""
        code = self._encode(networks)
        costs = {}
        for name, (process, mean, spread) in self._costs.items():
            logs = np.full(len(networks), mean) if process is None else process.predict(code)[0] * spread + mean
            costs[name] = np.exp(logs)
        return self._value.predict(code)[0], costs


def predicted_best(
    space: SearchSpace,
    predictor: Predictor,
    *,
    cost: str,
    limits: Mapping[str, float | None],
    known: Sequence[Choices],
    start: Sequence[Choices],
    count: int,
    population: int,
    generations: int,
    seed: int,
) -> list[dict[str, Option]]:
    """New networks of the front by prediction; where these are few, of the fronts behind it.

    Args:
        space: The search space.
        predictor: Predicts values and costs.
        cost: The one that is minimised.
        limits: Of costs, by name; None for none. What is predicted to break one is left out.
        known: Networks that are not new.
        start: Networks of the first generation; the rest of it is random.
        count: How many are wanted, at most; of a front with more those that lie most evenly by cost.
        population: Of NSGA-II.
        generations: The same.
        seed: Seed of its draws.
    """
    seen = _seen(
        space,
        predictor,
        cost=cost,
        limits=limits,
        start=start,
        population=population,
        generations=generations,
        seed=seed,
    )
    told = {tuple(choices.items()) for choices in known}
    left = [(key, point) for key, (point, excess) in seen.items() if excess <= 0 and key not in told]
    best: list[dict[str, Option]] = []
    while left and len(best) < count:
        front = pareto_front([point for _, point in left])
        layer = [left[index] for index in front]
        best += [dict(layer[index][0]) for index in thinned([point for _, point in layer], count - len(best))]
        left = [entry for index, entry in enumerate(left) if index not in set(front)]
    return best


def _seen(
    space: SearchSpace,
    predictor: Predictor,
    *,
    cost: str,
    limits: Mapping[str, float | None],
    start: Sequence[Choices],
    population: int,
    generations: int,
    seed: int,
) -> dict[Key, tuple[tuple[float, float], float]]:
    """All networks that NSGA-II has come by -> (value, cost), and by how much the worst limit is broken."""
    bounds = {name: limit for name, limit in limits.items() if limit is not None}
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=seed)
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        for choices in start[:population]:
            study.enqueue_trial(parameters_of(choices, space))
        seen: dict[Key, tuple[tuple[float, float], float]] = {}
        for _ in range(generations):
            trials = [study.ask() for _ in range(population)]
            networks = [suggest(trial, space) for trial in trials]
            values, costs = predictor(networks)
            for index, (trial, choices) in enumerate(zip(trials, networks, strict=True)):
                excess = max((float(costs[name][index]) / limit - 1 for name, limit in bounds.items()), default=0.0)
                point = (float(values[index]), float(costs[cost][index]))
                penalty = _PENALTY * (1 + excess) if excess > 0 else 0.0
                study.tell(trial, (point[0] - penalty, point[1]))
                seen[tuple(choices.items())] = point, excess
    finally:
        optuna.logging.set_verbosity(level)
    return seen
