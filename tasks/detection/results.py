"""What a detector says of one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Detections:
    """Objects on an image, the most certain first.

    Args:
        boxes: ``(n, 4)``: left, top, right, bottom in pixels of the image.
        scores: ``(n,)`` from 0 to 1.
        labels: ``(n,)``: index of the class of each.
        names: Of all classes.

    Example:
        >>> found = Detections(np.array([[0, 0, 4, 9.0]]), np.array([0.9]), np.array([1]), ("cat", "dog"))
        >>> [(name, score) for name, score, box in found]
        [('dog', 0.9)]
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, found: Mapping[str, Tensor], classes: Sequence[Mapping[str, Any]]) -> Detections:
        """From what the task answers, whose labels count from 1."""
        boxes, scores, labels = (found[name].detach().cpu().numpy() for name in ("boxes", "scores", "labels"))
        return cls(boxes, scores, labels - 1, tuple(str(entry["name"]) for entry in classes))

    def above(self, score: float) -> Detections:
        """Those of at least this score."""
        kept = self.scores >= score
        return Detections(self.boxes[kept], self.scores[kept], self.labels[kept], self.names)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[tuple[str, float, np.ndarray]]:
        """Name, score and box of each."""
        for box, score, label in zip(self.boxes, self.scores, self.labels, strict=True):
            yield self.names[label], float(score), box
