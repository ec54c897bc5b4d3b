"""Bayesian optimisation: a Gaussian process predicts what is worth a trial.

Source: Kandasamy, Neiswanger, Schneider, Poczos, Xing 2018, "Neural Architecture Search with Bayesian Optimisation and Optimal
Transport", arXiv 1802.07191, for the loop over architectures with mutations as candidates; the kernel here is simpler.
"""

from __future__ import annotations

import random

import numpy as np

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.acquisition import Acquisition, acquire, check_acquisition
from lightning_nas.strategies.blackbox.base import ArchitectureSampler, Told
from lightning_nas.strategies.blackbox.candidates import best_of, draw_candidates
from lightning_nas.strategies.blackbox.encoding import Encoder, Encoding
from lightning_nas.strategies.blackbox.gaussian_process import GaussianProcess, normal_scores


class BayesianOptimization(ArchitectureSampler):
    """After ``initial`` random architectures, each next one is the candidate of the largest acquisition function.

    The values that a :class:`GaussianProcess` learns are normal scores of their ranks. It finds its length scales anew
    whenever there are a fifth more trials than the last time.

    Args:
        space: The search space.
        initial: Random architectures at the start.
        encoding: What the process sees: ``"one_hot"`` or ``"path"``.
        bits: Keep so many of the shortest paths; None: all.
        parents: Candidates are mutants of so many of the best.
        mutants: Draws of such candidates per trial.
        random_candidates: Draws of random candidates per trial.
        acquisition: ``"ei"``, ``"its"`` or ``"ucb"``.
        beta: Deviations that ``"ucb"`` adds.
        weight: Median of the prior of the kernel's weights, see :class:`GaussianProcess`.
        noise: Median of the prior of the noise.
        spread: Standard deviation of both priors, of the logarithm.
        seed: Of all draws.
        isomorphic: Whether architectures of the same function count as one.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=BayesianOptimization(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        initial: int = 20,
        encoding: Encoding = "one_hot",
        bits: int | None = None,
        parents: int = 20,
        mutants: int = 100,
        random_candidates: int = 50,
        acquisition: Acquisition = "ei",
        beta: float = 1.0,
        weight: float = 0.15,
        noise: float = 0.01,
        spread: float = 1.0,
        seed: int = 0,
        isomorphic: bool = True,
    ) -> None:
        super().__init__(space, seed=seed, isomorphic=isomorphic)
        least = {
            "initial": (initial, 2),
            "parents": (parents, 1),
            "mutants": (mutants, 0),
            "random_candidates": (random_candidates, 0),
            "mutants + random_candidates": (mutants + random_candidates, 1),
        }
        for name, (value, low) in least.items():
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        check_acquisition("acquisition", acquisition)
        self.initial = initial
        self.encoder = Encoder(space, encoding, bits=bits)
        self.parents, self.mutants, self.random_candidates = parents, mutants, random_candidates
        self.acquisition, self.beta = acquisition, beta
        self.process = GaussianProcess(weight=weight, noise=noise, spread=spread)
        self._encoded = np.empty((0, 0))  # the history
        self._fitted = 0  # trials that the length scales were found from

    def observe(self, told: Told) -> None:
        """Encodes the architecture once and for all."""
        row = self.encoder([told.choices])
        self._encoded = np.concatenate([self._encoded, row]) if len(self._encoded) else row

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """A random architecture at first, then the most promising of the candidates."""
        if len(self.history) < self.initial:
            return self.new_sample(rng)
        candidates = draw_candidates(
            self.space,
            [parent.choices for parent in best_of(self.history, self.parents)],
            mutants=self.mutants,
            random_ones=self.random_candidates,
            known=self._known | self._pending,
            key=self.key,
            rng=rng,
        )
        if not candidates:
            return self.new_sample(rng)
        scores = self.learn()
        mean, deviation = self.process.predict(self.encoder(candidates))
        score = acquire(self.acquisition, mean, deviation, best=float(scores.max()), beta=self.beta, rng=rng)
        return candidates[int(np.argmax(score))]

    def learn(self) -> np.ndarray:
        """Conditions the process on all that is known, and finds its length scales if it is time for that.

        Returns:
            The normal scores of all values.
        """
        x, values = self._encoded, np.array([told.value for told in self.history])
        due = self._due(len(self.history))
        if due != self._fitted:
            self.process.fit(x[:due], normal_scores(values[:due]))
            self._fitted = due
        scores = normal_scores(values)
        self.process.condition(x, scores)
        return scores

    def _due(self, count: int) -> int:
        """The last of the numbers of trials, each a fifth above the one before, that has been reached."""
        due = self.initial
        while (following := due + max(1, due // 5)) <= count:
            due = following
        return due
