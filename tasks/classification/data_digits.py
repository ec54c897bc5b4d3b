"""Handwritten digits that come with scikit-learn: 1,797 real images, no download."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class DigitsDataModule(pl.LightningDataModule):
    """8x8 grey images of ten digits, split 60/20/20 by class (Alpaydin, Kaynak 1998, UCI).

    Args:
        batch_size: Images per batch.
        seed: Of the split and of the order of the training images.

    Attributes:
        num_classes: 10.
        in_channels: 1.
        image_size: Height and width.
        class_names: ``"0"`` to ``"9"``.
    """

    num_classes = 10
    in_channels = 1
    image_size = (8, 8)
    class_names = tuple(str(digit) for digit in range(10))

    def __init__(self, batch_size: int = 64, seed: int = 0) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size, self.seed = batch_size, seed

    def setup(self, stage: str | None = None) -> None:
        """Reads and splits the images."""
        images, labels = load_digits(return_X_y=True)
        images = (images.reshape(-1, 1, 8, 8) / 16.0).astype(np.float32)
        rest, test, rest_labels, test_labels = train_test_split(
            images, labels, test_size=0.2, stratify=labels, random_state=self.seed
        )
        train, val, train_labels, val_labels = train_test_split(
            rest, rest_labels, test_size=0.25, stratify=rest_labels, random_state=self.seed
        )
        mean, std = float(train.mean()), float(train.std())

        def dataset(x: np.ndarray, y: np.ndarray) -> TensorDataset:
            return TensorDataset(torch.from_numpy((x - mean) / std), torch.from_numpy(y).long())

        self.train_set, self.val_set = dataset(train, train_labels), dataset(val, val_labels)
        self.test_set = dataset(test, test_labels)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Shuffled training images."""
        return DataLoader(self.train_set, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Validation images."""
        return DataLoader(self.val_set, 2 * self.batch_size)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Test images."""
        return DataLoader(self.test_set, 2 * self.batch_size)
