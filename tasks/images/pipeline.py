"""Random steps on an image and what is drawn on it, seeded from torch's generator."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

# On import albumentations asks the network for newer versions; a training job has no business there.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
from albumentations.pytorch import ToTensorV2

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "A", "Pipeline", "ToTensorV2"]


class Pipeline:
    """Random steps that draw from torch's generator, so that whoever seeds torch decides all of them.

    One number per image seeds the pair of generators that all steps share. (``A.Compose.set_random_seed`` would give
    every step a generator with the same seed: a flip would then follow from the place of the crop before it.)

    Args:
        steps: In order; the last one makes the tensor.
        arguments: Of ``A.Compose``, e.g. ``bbox_params``.
    """

    def __init__(self, steps: Sequence[Any], **arguments: Any) -> None:
        self.steps = A.Compose(list(steps), **arguments)

    def __call__(self, image: np.ndarray) -> Tensor:
        """``(H, W, C) -> (C, H', W')``."""
        result: Tensor = self.together(image=image)["image"]
        return result

    def together(self, **data: Any) -> dict[str, Any]:
        """The same random steps for an image and its boxes or masks, by albumentations' names."""
        seed = int(torch.randint(2**62, ()))
        self.steps.set_random_state(np.random.default_rng(seed), random.Random(seed))
        result: dict[str, Any] = self.steps(**data)
        return result
