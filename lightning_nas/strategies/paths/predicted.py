"""A front by prediction: NSGA-II over what a Gaussian process has learnt of the networks that were measured.

Sources: Cummings et al. 2022, "LINAS", arXiv 2205.10358; Deb et al. 2002, NSGA-II (Optuna's).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.encoding import Array, Encoder
from lightning_nas.strategies.blackbox.gaussian_process import GaussianProcess, normal_scores
from lightning_nas.strategies.blackbox.parameters import parameters_of, suggest
from lightning_nas.strategies.paths.pareto import pareto_front

_EXCESS = "excess"


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


def predicted_front(
    space: SearchSpace,
    predictor: Predictor,
    *,
    cost: str,
    limits: Mapping[str, float | None],
    start: Sequence[Choices],
    population: int,
    generations: int,
    seed: int,
) -> list[dict[str, Option]]:
    """The networks that are best by prediction, cheapest first, those that are predicted to break a limit left out.

    Args:
        space: The search space.
        predictor: Predicts values and costs.
        cost: The one that is minimised.
        limits: Of costs, by name; None for none.
        start: Networks of the first generation; the rest of it is random.
        population: Of NSGA-II.
        generations: The same.
        seed: Seed of its draws.
    """
    bounds = {name: limit for name, limit in limits.items() if limit is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=seed, constraints_func=_excess)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        for choices in start[:population]:
            study.enqueue_trial(parameters_of(choices, space))
        seen: dict[tuple[tuple[str, Option], ...], tuple[float, float, float]] = {}
        for _ in range(population * generations):
            trial = study.ask()
            choices = suggest(trial, space)
            value, costs = predictor([choices])
            excess = max((float(costs[name][0]) / limit - 1 for name, limit in bounds.items()), default=0.0)
            trial.set_user_attr(_EXCESS, excess)
            point = (float(value[0]), float(costs[cost][0]))
            study.tell(trial, point)
            seen[tuple(choices.items())] = (*point, excess)
    finally:
        optuna.logging.set_verbosity(level)
    kept = [(key, point) for key, point in seen.items() if point[2] <= 0]
    front = [kept[index] for index in pareto_front([point[:2] for _, point in kept])]
    return [dict(key) for key, _ in sorted(front, key=lambda item: item[1][1])]


def _excess(trial: FrozenTrial) -> tuple[float]:
    return (float(trial.user_attrs[_EXCESS]),)
