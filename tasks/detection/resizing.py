"""How detectors bring images to their size."""

from __future__ import annotations

import math

from torch import Tensor
from torchvision.models.detection.transform import GeneralizedRCNNTransform


class Resizing(GeneralizedRCNNTransform):
    """torchvision's, for images of any shape: a side keeps one pixel at least.

    torchvision rounds down: of an image of 1x1000 that becomes 0.1 times as large no row would be left.
    """

    fixed_size: tuple[int, int] | None

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """``(C, H, W)`` and its boxes, resized."""
        sides = image.shape[-2:]
        scale = min(self.min_size[-1] / min(sides), self.max_size / max(sides))
        height, width = (math.floor(side * scale) for side in sides)
        if min(height, width) < 1:
            self.fixed_size = (max(width, 1), max(height, 1))
        try:
            resized: tuple[Tensor, dict[str, Tensor] | None] = super().resize(image, target)
        finally:
            self.fixed_size = None
        return resized
