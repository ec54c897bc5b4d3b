"""Random search: the baseline that every report shows."""

from __future__ import annotations

import random

from lightning_nas.architecture import Option
from lightning_nas.spaces import SearchSpace


class Random:
    """One architecture, drawn uniformly, without any training.

    Args:
        seed: Of the draw.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.rng = random.Random(seed)

    def sample(self, space: SearchSpace) -> dict[str, Option]:
        """The next architecture."""
        return space.sample(self.rng)
