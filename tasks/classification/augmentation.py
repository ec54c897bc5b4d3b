"""What happens to an image between disk and network: named recipes of albumentations steps.

A recipe takes an RGB array ``(H, W, 3)`` of ``uint8`` and gives a float tensor ``(3, size, size)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.classification.preparation import Preparation, fit_steps
from lightning_nas.tasks.images import IMAGENET_MEAN, IMAGENET_STD, A, Pipeline, ToTensorV2

Recipe = Literal["none", "light", "cifar", "imagenet"]


class Cutout(A.ImageOnlyTransform):
    """Zeroes a square whose centre lies anywhere in the image; the border clips it (DeVries, Taylor 2017, 1708.04552).

    ``A.CoarseDropout`` keeps its holes inside the image, so the middle is hit more often and no hole is ever smaller.
    After normalisation zero is the mean colour, as in DARTS.

    Args:
        length: Side of the square.
    """

    def __init__(self, length: int) -> None:
        super().__init__(p=1.0)
        self.length = length

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draws the upper left corner; it may lie outside."""
        height, width = params["shape"][:2]
        half = self.length // 2
        return {"top": self.py_random.randrange(height) - half, "left": self.py_random.randrange(width) - half}

    def apply(self, img: np.ndarray, top: int, left: int, **params: Any) -> np.ndarray:
        """Zeroes the square in a copy."""
        img = img.copy()
        img[max(top, 0) : max(top + self.length, 0), max(left, 0) : max(left + self.length, 0)] = 0
        return img


def training(
    recipe: Recipe,
    size: int,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    cutout: int = 0,
) -> Pipeline:
    """The recipe of training images.

    Args:
        recipe: ``"none"``: only resized; ``"light"``: small shifts, turns and scales; ``"cifar"``: padded by an eighth,
            cropped, flipped; ``"imagenet"``: random crop of random size, flipped, colours changed.
        size: Height and width of the result.
        mean: Of each channel, for values between 0 and 1.
        std: Of each channel.
        cutout: Side of a square that is erased; 0 for none.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_recipe(recipe, size, cutout)
    steps = imagenet_steps(size) if recipe == "imagenet" else fit_steps(size, size)
    if recipe == "light":
        steps += light_steps(size)
    if recipe == "cifar":
        steps += cifar_steps(size)
    erase = [Cutout(cutout)] if cutout else []
    return Pipeline([*steps, A.Normalize(tuple(mean), tuple(std)), *erase, ToTensorV2()])


def evaluation(
    recipe: Recipe, size: int, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Pipeline:
    """The steps of :func:`preparation`.

    Raises:
        ValueError: If an argument is out of range.
    """
    return preparation(recipe, size, mean, std).pipeline()


def preparation(
    recipe: Recipe, size: int, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Preparation:
    """The images of validation and test: shorter side resized, centre cropped (``"imagenet"``: 256 and 224).

    Raises:
        ValueError: If an argument is out of range.
    """
    check_recipe(recipe, size, 0)
    resized = round(size * 256 / 224) if recipe == "imagenet" else size
    return Preparation(len(mean), resized, size, tuple(mean), tuple(std))


def light_steps(size: int, fill: float = 0.0) -> list[Any]:
    """Shift by up to an eighth, turn by up to 5 degrees, scale both sides by up to 10 %: keeps what text and digits mean."""
    most = max(size // 8, 1)
    # In pixels: albumentations cuts shares off towards zero, so that an eighth of 8 pixels would never be one.
    shift = {"x": (-most, most), "y": (-most, most)}
    return [A.Affine(scale=(0.9, 1.1), keep_ratio=True, translate_px=shift, rotate=(-5, 5), fill=fill, p=1.0)]


def cifar_steps(size: int) -> list[Any]:
    """Zero padding (4 at 32 pixels), random crop, flip: what every CIFAR recipe does since He et al. 2016."""
    return [A.Pad(size // 8), A.RandomCrop(size, size), A.HorizontalFlip(p=0.5)]


def imagenet_steps(size: int) -> list[Any]:
    """Random crop of 8 to 100 % of the area, flip, colour jitter: the mobile setting of DARTS."""
    return [
        A.RandomResizedCrop((size, size)),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(brightness=(0.6, 1.4), contrast=(0.6, 1.4), saturation=(0.6, 1.4), hue=(-0.2, 0.2), p=1.0),
    ]


def check_recipe(recipe: str, size: int, cutout: int) -> None:
    """Refuses what no recipe can do.

    Raises:
        ValueError: Naming the argument.
    """
    if recipe not in get_args(Recipe):
        raise ArgumentError(f"augmentation must be one of {list(get_args(Recipe))}, got {recipe!r}")
    if size < 1:
        raise ArgumentError(f"image_size must be at least 1, got {size}")
    if not 0 <= cutout <= size:
        raise ArgumentError(f"cutout must be from 0 to the image size of {size}, got {cutout}")
