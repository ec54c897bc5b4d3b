"""Random steps on an image and its mask together."""

from __future__ import annotations

from typing import Any, Literal, get_args

import cv2
import numpy as np

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images import IMAGENET_MEAN, A, Pipeline, ToTensorV2
from lightning_nas.tasks.segmentation.data.labels import IGNORE

Recipe = Literal["none", "flip", "scale", "full"]

PADDING = tuple(round(255 * value) for value in IMAGENET_MEAN)
"""Colour beyond the border of an image."""


class Scale(A.RandomScale):
    """albumentations' random scale of both sides, rounded down, of which one pixel at least is left."""

    def apply(self, img: np.ndarray, scale: float, **params: Any) -> np.ndarray:
        """The image."""
        scaled: np.ndarray = super().apply(img, _at_least_one_pixel(img, scale), **params)
        return scaled

    def apply_to_mask(self, mask: np.ndarray, scale: float, **params: Any) -> np.ndarray:
        """The mask."""
        scaled: np.ndarray = super().apply_to_mask(mask, _at_least_one_pixel(mask, scale), **params)
        return scaled


def make_pipeline(
    recipe: Recipe, crop: tuple[int, int] | None, scales: tuple[float, float], image_scale: float
) -> Pipeline:
    """The steps of a recipe.

    Args:
        recipe: ``"none"``; ``"flip"``: crop and mirror; ``"scale"``: enlarge or shrink before that; ``"full"``: change
            colours as well.
        crop: Height and width of a random crop; None: the whole image. Where an image is smaller, it is padded with pixels
            that do not count.
        scales: Smallest and largest random scale.
        image_scale: Every image is brought to this size first, relative to its own.

    Raises:
        ValueError: If there is no such recipe or a value is out of range.
    """
    if recipe not in get_args(Recipe):
        raise ArgumentError(f"augmentation must be one of {list(get_args(Recipe))}, got {recipe!r}")
    if not 0 < scales[0] <= scales[1]:
        raise ArgumentError(f"scales must be two positive numbers, the smaller one first, got {list(scales)}")
    steps: list[A.BasicTransform] = []
    if image_scale != 1.0:
        steps.append(_resized(image_scale, image_scale, cv2.INTER_AREA if image_scale < 1 else cv2.INTER_LINEAR))
    if recipe in ("scale", "full"):
        steps.append(_resized(*scales, cv2.INTER_LINEAR))
    if recipe != "none" and crop is not None:
        steps.append(A.PadIfNeeded(*crop, border_mode=cv2.BORDER_CONSTANT, fill=PADDING, fill_mask=IGNORE))
        steps.append(A.RandomCrop(*crop))
    if recipe != "none":
        steps.append(A.HorizontalFlip(p=0.5))
    if recipe == "full":
        steps.append(A.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05, p=0.8))
    return Pipeline([*steps, A.ToFloat(max_value=255.0), ToTensorV2()])


def _at_least_one_pixel(pixels: np.ndarray, scale: float) -> float:
    return max(scale, (1 + 1e-6) / min(pixels.shape[:2]))


def _resized(low: float, high: float, interpolation: int) -> A.BasicTransform:
    return Scale(
        scale_limit=(low - 1, high - 1), interpolation=interpolation, mask_interpolation=cv2.INTER_NEAREST, p=1.0
    )
