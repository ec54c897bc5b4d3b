"""What a classifier says of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassProbabilities:
    """How probable each class is.

    Args:
        probabilities: ``(classes,)``; they sum to 1.
        names: Of all classes.

    Example:
        >>> ClassProbabilities(np.array([0.2, 0.7, 0.1]), ("ape", "cat", "dog")).top(2)
        [('cat', 0.7), ('ape', 0.2)]
    """

    probabilities: np.ndarray
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the most probable class."""
        return self.names[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Of the most probable class."""
        return float(self.probabilities.max())

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The most probable classes, the first one first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.names[index], float(self.probabilities[index])) for index in order]
