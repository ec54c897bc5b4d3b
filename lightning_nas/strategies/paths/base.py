"""What strategies have in common that train one supernet path by path, and then choose one of its paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.evolution import Evolution
from lightning_nas.strategies.paths.shortlist import Shortlist


class PathStrategy:
    """How to draw the paths on which the weights of a supernet are trained, and how to choose among them afterwards.

    Each batch moves the weights of one path. Afterwards a candidate is a path, judged by the weights that all paths share.

    Args:
        metric: Logged by the task in validation, e.g. ``"val/f1"``; by it candidates are judged. None: what also decides
            comparisons.
        seed: Seed of all draws.

    Attributes:
        pretrains: Whether a pretraining of the backbone's supernet may come first.
        keeps_networks: Whether trained networks are what a search ends with, so that none is trained anew.
        trains: What is trained, in words.
        usage: How it is used within a project of one's own, in words.

    Raises:
        ArgumentError: If the seed is negative.

    Example:
        >>> from lightning_nas.strategies import Enas, Rsps, SinglePath
        >>> [isinstance(strategy, PathStrategy) for strategy in (Enas(), Rsps(), SinglePath())]
        [True, True, True]
    """

    pretrains: ClassVar[bool] = False
    keeps_networks: ClassVar[bool] = False
    trains: ClassVar[str] = "paths"
    usage: ClassVar[str] = "Trainer(callbacks=[lightning_nas.search.SampledPaths(seed=0)]), then choose a path"

    def __init__(self, *, metric: str | None, seed: int) -> None:
        if seed < 0:
            raise ArgumentError(f"seed must be at least 0, got {seed}")
        self.metric, self.seed = metric, seed

    def kept(self, space: SearchSpace) -> int:
        """How many trained networks a search ends with, at most; none where one is trained anew."""
        return 0


class UniformPaths(PathStrategy, ABC):
    """Trains on paths that are drawn uniformly; then candidates compete.

    Args:
        metric: Logged by the task in validation, e.g. ``"val/f1"``; by it candidates are judged. None: what also decides
            comparisons.
        recalibration_batches: Training batches on which the statistics of BatchNorm are estimated anew per candidate.
        screening_batches: Validation batches that score a candidate in the first round of the competition; None: all.
        seed: Seed of the paths and of the candidates.

    Attributes:
        steps_as_set: Whether clipping and accumulation of the weights follow the settings of the supernet's training.
        title: What the competition is called.
        hint: What else may be wrong where the candidates of a folder belong to another search.

    Raises:
        ArgumentError: If the seed is negative.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies import Rsps
        >>> shortlist = Rsps(candidates=3, finalists=1).competition(NasBench201(nodes=3), macs=lambda choices: 0)
        >>> list(shortlist.ask())
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    steps_as_set: ClassVar[bool]
    title: ClassVar[str]

    def __init__(
        self, *, metric: str | None, recalibration_batches: int, screening_batches: int | None = None, seed: int
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        self.recalibration_batches, self.screening_batches = recalibration_batches, screening_batches

    @abstractmethod
    def competition(self, space: SearchSpace, macs: Callable[[Choices], int]) -> Evolution | Shortlist:
        """The candidates, as ask and tell.

        Args:
            space: The search space.
            macs: Counts the multiply-adds of the whole network of an architecture.

        Raises:
            NasError: If an argument is out of range, or nothing keeps the limits.
        """

    @abstractmethod
    def scored(self, space: SearchSpace) -> tuple[int, int]:
        """How many candidates are scored at most, and how many of them once more, in a second round."""

    @property
    def limited(self) -> bool:
        """Whether the multiply-adds of every candidate are counted, as there are limits."""
        return False

    @property
    def hint(self) -> str:
        """What else may be wrong where the candidates of a folder belong to another search."""
        return ""
