"""BANANAS: Bayesian optimisation with an ensemble of networks as the predictor.

Source: White, Neiswanger, Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", arXiv 1910.11858.
"""

from __future__ import annotations

import random
from functools import partial

import numpy as np

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.acquisition import Acquisition, acquire, check_acquisition
from lightning_nas.strategies.blackbox.base import ArchitectureSampler
from lightning_nas.strategies.blackbox.candidates import best_of, draw_candidates
from lightning_nas.strategies.blackbox.encoding import Encoder, Encoding
from lightning_nas.strategies.blackbox.ensemble import Ensemble


class Bananas(ArchitectureSampler):
    """Rounds of ``batch`` architectures that an ensemble of networks finds promising.

    After ``initial`` random architectures, a round begins whenever ``batch`` more trials have finished: the ensemble learns
    all values so far, candidates are drawn, and those that the acquisition function ranks first are asked, as far as they
    are new. A round follows from the trials before it alone, so that every worker, and a restarted one, finds the same.

    Args:
        space: The search space.
        initial: Random architectures at the start.
        batch: Architectures per round, k.
        encoding: What the networks see: ``"path"`` or ``"one_hot"``.
        bits: Keep so many of the shortest paths; None: all.
        parents: Candidates are mutants of so many of the best.
        mutants: Draws of such candidates per round.
        random_candidates: Draws of random candidates per round.
        acquisition: ``"its"`` (the paper's), ``"ei"`` or ``"ucb"``.
        beta: Deviations that ``"ucb"`` adds.
        bound: A value that no architecture exceeds, as the paper's lower bound of the error: 100 for an accuracy in per
            cent; where the study minimises, the negative bound. None: the best so far and a tenth of the range seen.
        members: Networks of the ensemble.
        layers: Hidden layers of each.
        width: Units of each.
        lr: Of Adam.
        epochs: Of a training.
        batch_size: Of a training.
        seed: Of all draws.
        isomorphic: Whether architectures of the same function count as one.

    Raises:
        ValueError: If an argument is out of range, or a value exceeds ``bound``.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=Bananas(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        initial: int = 10,
        batch: int = 10,
        encoding: Encoding = "path",
        bits: int | None = None,
        parents: int = 10,
        mutants: int = 100,
        random_candidates: int = 100,
        acquisition: Acquisition = "its",
        beta: float = 1.0,
        bound: float | None = None,
        members: int = 5,
        layers: int = 10,
        width: int = 20,
        lr: float = 0.01,
        epochs: int = 150,
        batch_size: int = 32,
        seed: int = 0,
        isomorphic: bool = True,
    ) -> None:
        super().__init__(space, seed=seed, isomorphic=isomorphic)
        least = {
            "initial": (initial, 1),
            "batch": (batch, 1),
            "parents": (parents, 1),
            "mutants": (mutants, 0),
            "random_candidates": (random_candidates, 0),
            "mutants + random_candidates": (mutants + random_candidates, 1),
            "members": (members, 1),
        }
        for name, (value, low) in least.items():
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        check_acquisition("acquisition", acquisition)
        self.initial, self.batch = initial, batch
        self.encoder = Encoder(space, encoding, bits=bits)
        self.parents, self.mutants, self.random_candidates = parents, mutants, random_candidates
        self.acquisition, self.beta, self.bound = acquisition, beta, bound
        self.members = members
        self.build = partial(Ensemble, layers=layers, width=width, lr=lr, epochs=epochs, batch_size=batch_size)
        self.build([0])  # names a bad argument now, not in the first round
        self._round: tuple[int, list[dict[str, Option]]] = (-1, [])

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """A random architecture at first, then the first new one of the round."""
        if len(self.history) < self.initial:
            return self.new_sample(rng)
        begin = self.initial + (len(self.history) - self.initial) // self.batch * self.batch
        if self._round[0] != begin:
            self._round = (begin, self.rank(begin))
        for choices in self._round[1]:
            if self.is_new(choices):
                return choices
        return self.new_sample(rng)

    def rank(self, begin: int) -> list[dict[str, Option]]:
        """The candidates of the round that began after so many trials, the most promising first."""
        told, rng = self.history[:begin], self.generator("round", begin)
        candidates = draw_candidates(
            self.space,
            [parent.choices for parent in best_of(told, self.parents)],
            mutants=self.mutants,
            random_ones=self.random_candidates,
            known={self.key(one.choices) for one in told},
            key=self.key,
            rng=rng,
        )
        if not candidates:
            return []
        values = np.array([one.value for one in told])
        bound = self._bound(values)
        ensemble = self.build([rng.getrandbits(63) for _ in range(self.members)])
        ensemble.fit(self.encoder([one.choices for one in told]), bound - values)
        gap, deviation = ensemble.predict(self.encoder(candidates))
        score = acquire(self.acquisition, bound - gap, deviation, best=float(values.max()), beta=self.beta, rng=rng)
        return [candidates[index] for index in np.argsort(-score, kind="stable")]

    def _bound(self, values: np.ndarray) -> float:
        best, worst = float(values.max()), float(values.min())
        if self.bound is None:
            return best + max(0.1 * (best - worst), 1e-3 * max(abs(best), 1e-3))
        if best >= self.bound:
            raise ArgumentError(f"bound must exceed every value, got {self.bound} and a value of {best}")
        return self.bound
