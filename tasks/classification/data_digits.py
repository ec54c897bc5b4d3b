"""Handwritten digits that come with scikit-learn: 1,797 real images, no download."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.classification.augmentation import light_steps
from lightning_nas.tasks.classification.data import ImageDataset
from lightning_nas.tasks.classification.preparation import Preparation
from lightning_nas.tasks.images import ImageDataModule, Pipeline, ToTensorV2


class DigitsDataModule(ImageDataModule):
    """8x8 grey images of ten digits, split 60/20/20 by class (Alpaydin, Kaynak 1998, UCI).

    Args:
        batch_size: Images per batch.
        seed: Of the split and of the order of the training images.
        augmentation: ``"none"``, or ``"light"``: shifts by up to a pixel, small turns and scales.
        num_workers: Processes that prepare images.

    Raises:
        ValueError: If an argument is out of range.
    """

    num_classes = 10
    in_channels = 1
    image_size = (8, 8)
    class_names = tuple(str(digit) for digit in range(10))

    def __init__(
        self,
        batch_size: int = 64,
        seed: int = 0,
        augmentation: Literal["none", "light"] = "none",
        num_workers: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        if augmentation not in ("none", "light"):
            raise ArgumentError(f"augmentation must be 'none' or 'light' for digits, got {augmentation!r}")
        self.augmentation = augmentation

    def read_sets(self) -> tuple[ImageDataset, ImageDataset, ImageDataset]:
        """Reads and splits the images."""
        images, labels = load_digits(return_X_y=True)
        images = (images.reshape(-1, 8, 8, 1) / 16.0).astype(np.float32)
        rest, test, rest_labels, test_labels = train_test_split(
            images, labels, test_size=0.2, stratify=labels, random_state=self.seed
        )
        train, val, train_labels, val_labels = train_test_split(
            rest, rest_labels, test_size=0.25, stratify=rest_labels, random_state=self.seed
        )
        mean, std = float(train.mean()), float(train.std())
        # What was read above as shades from 0 to 16 comes from image files as shades from 0 to 255.
        self.preparation = Preparation(1, 8, 8, (mean,), (std,)).record()
        background = (0.0 - mean) / std
        augment = Pipeline([*light_steps(8, background), ToTensorV2()]) if self.augmentation == "light" else as_tensor
        return (
            ImageDataset((train - mean) / std, train_labels, augment),
            ImageDataset((val - mean) / std, val_labels, as_tensor),
            ImageDataset((test - mean) / std, test_labels, as_tensor),
        )


def as_tensor(image: np.ndarray) -> Tensor:
    """``(H, W, C) -> (C, H, W)``."""
    return torch.from_numpy(image.transpose(2, 0, 1))
