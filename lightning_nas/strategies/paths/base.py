"""What strategies have in common that train one supernet path by path, and then choose one of its paths."""

from __future__ import annotations

from typing import ClassVar

from lightning_nas.errors import ArgumentError


class PathStrategy:
    """How to draw the paths on which the weights of a supernet are trained, and how to choose among them afterwards.

    Each batch moves the weights of one path. Afterwards a candidate is a path, judged by the weights that all paths share.

    Args:
        metric: Logged by the task in validation, e.g. ``"val/map"``; by it candidates are judged. None: what also decides
            comparisons.
        seed: Of all draws.

    Attributes:
        trains: What is trained, in words.
        usage: How it is used without a run of the library, in words.

    Raises:
        ArgumentError: If the seed is negative.
    """

    trains: ClassVar[str] = "paths"
    usage: ClassVar[str] = "Trainer(callbacks=[lightning_nas.search.SampledPaths(seed=0)]), then choose a path"

    def __init__(self, *, metric: str | None, seed: int) -> None:
        if seed < 0:
            raise ArgumentError(f"seed must be at least 0, got {seed}")
        self.metric, self.seed = metric, seed
