"""How detectors bring images to their size, which may be one of the decisions of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes

from lightning_nas.spaces.image_size.network import ImagePart, scaled_side


def scaled(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image in another size, bilinear; where it becomes smaller, all of its pixels count.

    Args:
        image: ``(C, H, W)``.
        size: Height and width.
    """
    if image.shape[-2:] == size:
        return image
    smaller = size[0] < image.shape[-2] or size[1] < image.shape[-1]
    return nn.functional.interpolate(image[None], size, mode="bilinear", antialias=smaller)[0]


class Resizing(GeneralizedRCNNTransform):
    """torchvision's, for images of any shape: a side keeps one pixel at least, and smaller images are not aliased.

    torchvision rounds down: of an image of 1x1000 that becomes 0.1 times as large no row would be left. And it looks at four
    pixels for each new one: of an image that becomes a third as large, most would not count.

    Args:
        shorter: The shorter side of images becomes this ...
        longer: ... as long as the longer one stays below that.
        mean: Of each channel.
        std: Of each channel.
        divisible: Sides of a batch are padded to multiples of this ...
        least: ... and to so many pixels at least.
        image: A part of the network that resizes images. That is done here instead, to so many percent of both sides, so that
            boxes go along and come back in the coordinates of the given image.
    """

    def __init__(
        self,
        shorter: int,
        longer: int,
        mean: Sequence[float],
        std: Sequence[float],
        divisible: int,
        least: int = 1,
        image: ImagePart | None = None,
    ) -> None:
        super().__init__(shorter, longer, list(mean), list(std), size_divisible=divisible)
        self.sides, self.least = (shorter, longer), least
        self._image = () if image is None else (image,)  # its owner is the network
        for part in self._image:
            part.take_over()

    @property
    def active_sides(self) -> tuple[int, int]:
        """Shorter and longer side now, which follow the decision about the size where there is one."""
        shorter, longer = self.sides
        for part in self._image:
            shorter, longer = (scaled_side(side, part.percent) for side in self.sides)
        return shorter, longer

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Images and targets -> a batch in the active size, and its targets."""
        shorter, self.max_size = self.active_sides
        self.min_size = (shorter,)
        return super().forward(images, targets)

    def padded_side(self, side: int) -> int:
        """What a side becomes in a batch of images of that size alone."""
        return math.ceil(max(side, self.least) / self.size_divisible) * self.size_divisible

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Images ``(C, H, W)`` of any sizes, padded with zeros -> ``(B, C, H, W)``."""
        first, *others = images
        below, beside = (max(self.least - side, 0) for side in first.shape[-2:])
        batch: Tensor = super().batch_images([nn.functional.pad(first, (0, beside, 0, below)), *others], size_divisible)
        return batch

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """``(C, H, W)`` and its boxes, resized."""
        sides = image.shape[-2:]
        scale = min(self.min_size[-1] / min(sides), self.max_size / max(sides))
        height, width = (max(math.floor(side * scale + 1e-6), 1) for side in sides)
        if target is not None:
            target["boxes"] = resize_boxes(target["boxes"], list(sides), [height, width])
        return scaled(image, (height, width)), target
