"""Random search with weight sharing: one supernet trained on random paths, then the best of many random ones.

Source: Li, Talwalkar 2019, "Random Search and Reproducibility for Neural Architecture Search", arXiv 1902.07638, section 3.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.base import UniformPaths
from lightning_nas.strategies.paths.shortlist import Shortlist, distinct


class Rsps(UniformPaths):
    """The settings of a random search with weight sharing; the defaults are the paper's, but for BatchNorm.

    The weights are trained on the whole training set, and validation images judge; the released code halves the training set.

    The released code scores a path with the running statistics of BatchNorm, which are a mix of all paths, and the script of
    NAS-Bench-201 (which takes the best of 100, without a second round) with those of each batch. Here they are estimated
    anew for every candidate from training batches, as in single-path search: the score is then that of the path in
    evaluation, whatever else is in a batch.

    Args:
        candidates: Different random architectures of the first round.
        finalists: The best of them, which are scored again on the whole validation set; with 1 there is no second round.
        screening_batches: Random validation batches that score a candidate in the first round, the same for all. The released
            code draws 10 other ones for every candidate.
        recalibration_batches: Training batches on which the statistics of BatchNorm are estimated anew per candidate; 0:
            each validation batch is normalised with its own statistics.
        metric: Logged by the task in validation, e.g. ``"val/f1"``; it is maximised, or minimised with a minus in front. If
            None the task's headline, or minus the loss of a task that names none.
        seed: Of the paths and of the candidates.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> Rsps(candidates=5, finalists=2).competition(NasBench201(nodes=3), macs=lambda choices: 0).total
        7
    """

    steps_as_set = True
    title = "random paths"

    def __init__(
        self,
        *,
        candidates: int = 1000,
        finalists: int = 10,
        screening_batches: int = 1,
        recalibration_batches: int = 20,
        metric: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            metric=metric, recalibration_batches=recalibration_batches, screening_batches=screening_batches, seed=seed
        )
        for name, value, low in (
            ("candidates", candidates, 1),
            ("finalists", finalists, 1),
            ("screening_batches", screening_batches, 1),
            ("recalibration_batches", recalibration_batches, 0),
        ):
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        if finalists > candidates:
            raise ArgumentError(f"finalists must be at most candidates = {candidates}, got {finalists}")
        self.candidates, self.finalists = candidates, finalists

    def competition(self, space: SearchSpace, macs: Callable[[Choices], int]) -> Shortlist:
        """The two rounds over random architectures of a space, whatever their multiply-adds."""
        rng = random.Random(self.seed)
        return Shortlist(distinct(lambda: space.sample(rng), self.candidates), finalists=self.finalists)

    def scored(self, space: SearchSpace) -> tuple[int, int]:
        """All candidates, and the finalists again where there are several."""
        candidates = min(self.candidates, space.size())
        finalists = min(self.finalists, candidates)
        return candidates, finalists if finalists > 1 else 0
