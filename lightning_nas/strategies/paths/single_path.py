"""Single-path one-shot search: one supernet trained on random paths, then an evolution over its paths.

Sources: Guo et al. 2020, arXiv 1904.00420; Chen et al. 2019, arXiv 1903.10979.
"""

from __future__ import annotations

from collections.abc import Callable

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError, NasError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.base import UniformPaths
from lightning_nas.strategies.paths.evolution import Evolution


class SinglePath(UniformPaths):
    """The settings of a single-path search; the defaults are DetNAS's.

    Args:
        population: Candidates per round.
        rounds: Rounds of the evolution.
        parents: The best so far, which have children.
        mutants: Candidates per round by mutation.
        crossovers: Candidates per round by crossover.
        mutation_probability: With which a mutant draws each decision anew.
        recalibration_batches: Training batches on which the statistics of BatchNorm are estimated anew per candidate.
        metric: Logged by the task in validation, e.g. ``"val/f1"``; what the evolution maximises. If None the metric that
            also decides comparisons: the task's headline, or minus the loss of a task that names none.
        max_macs: Most multiply-adds of a candidate: of the whole network for one image, with the neck and the head of the
            task. None for no limit.
        min_macs: Fewest.
        seed: Of the paths and of the evolution.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> SinglePath().competition(NasBench201(), macs=lambda choices: 0).total
        1000
    """

    pretrains = True
    steps_as_set = False
    title = "evolution"

    def __init__(
        self,
        *,
        population: int = 50,
        rounds: int = 20,
        parents: int = 10,
        mutants: int = 20,
        crossovers: int = 20,
        mutation_probability: float = 0.1,
        recalibration_batches: int = 500,
        metric: str | None = None,
        max_macs: float | None = None,
        min_macs: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(metric=metric, recalibration_batches=recalibration_batches, seed=seed)
        if recalibration_batches < 1:
            raise ArgumentError(f"recalibration_batches must be at least 1, got {recalibration_batches}")
        for name, value in (("max_macs", max_macs), ("min_macs", min_macs)):
            if value is not None and value <= 0:
                raise ArgumentError(f"{name} must be positive or null, got {value}")
        if max_macs is not None and min_macs is not None and min_macs > max_macs:
            raise ArgumentError(f"min_macs must be at most max_macs = {max_macs}, got {min_macs}")
        self.population, self.rounds, self.parents = population, rounds, parents
        self.mutants, self.crossovers, self.mutation_probability = mutants, crossovers, mutation_probability
        self.max_macs, self.min_macs = max_macs, min_macs

    def scored(self, space: SearchSpace) -> tuple[int, int]:
        """All candidates of the evolution, once each."""
        return min(self.population * self.rounds, space.size()), 0

    @property
    def limited(self) -> bool:
        """Whether there are limits."""
        return self.max_macs is not None or self.min_macs is not None

    def feasible(self, macs: Callable[[Choices], int]) -> Callable[[Choices], bool]:
        """Whether an architecture keeps the limits; ``macs`` counts and is asked only where there are any."""
        if not self.limited:
            return lambda choices: True
        return lambda choices: (self.min_macs or 0) <= macs(choices) <= (self.max_macs or float("inf"))

    def competition(self, space: SearchSpace, macs: Callable[[Choices], int]) -> Evolution:
        """The evolution over a space, see :meth:`evolution`.

        Raises:
            NasError: If an argument is out of range, or nothing keeps the limits of multiply-adds.
        """
        try:
            return self.evolution(space, macs)
        except NasError as error:
            limits = f"max_macs = {self.max_macs}, min_macs = {self.min_macs}, of the whole network"
            raise NasError(f"{limits}: {error}") from error

    @property
    def hint(self) -> str:
        """What else may be wrong where the candidates of a folder belong to another search."""
        text = "; max_macs and min_macs are limits of the whole network, in earlier versions of backbone and neck"
        return text if self.limited else ""

    def evolution(self, space: SearchSpace, macs: Callable[[Choices], int]) -> Evolution:
        """The evolution over a space.

        Args:
            space: The search space.
            macs: Multiply-adds of the whole network of an architecture.
        """
        return Evolution(
            space,
            self.feasible(macs),
            population=self.population,
            rounds=self.rounds,
            parents=self.parents,
            mutants=self.mutants,
            crossovers=self.crossovers,
            mutation_probability=self.mutation_probability,
            seed=self.seed,
        )
