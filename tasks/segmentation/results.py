"""What a segmentation says of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelMap:
    """The class of every pixel.

    Args:
        labels: ``(H, W)`` of ``uint8``: index of the class.
        names: Of all classes.

    Example:
        >>> LabelMap(np.array([[0, 0], [0, 2]], np.uint8), ("road", "car", "sky")).shares()
        {'road': 0.75, 'sky': 0.25}
    """

    labels: np.ndarray
    names: tuple[str, ...]

    def mask(self, name: str) -> np.ndarray:
        """``(H, W)``, true where the class is.

        Raises:
            ValueError: If there is no such class.
        """
        found: np.ndarray = self.labels == self.names.index(name)
        return found

    def shares(self) -> dict[str, float]:
        """The classes that were found and their share of the image, the largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.names))
        order = np.argsort(-counts, kind="stable")
        return {self.names[index]: float(counts[index] / self.labels.size) for index in order if counts[index]}
