"""What the data modules of all tasks share: three sets, and loaders that a resumed or distributed run repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.seed import pl_worker_init_function
from torch.utils.data import DataLoader, Dataset

from lightning_nas.errors import ArgumentError
from lightning_nas.search.data.loader import in_order, shuffled


class ImageDataModule(pl.LightningDataModule):
    """Loaders around ``train_set``, ``val_set`` and ``test_set``; a subclass says in :meth:`read_sets` what they are.

    Args:
        batch_size: Training images per batch; validation and test take twice as many.
        num_workers: Processes that read images.
        seed: Of splits and orders.

    Attributes:
        num_classes: Number of classes.
        in_channels: Channels of an image.
        image_size: Height and width, where all images have the same; else the task says what networks see.
        class_names: Name of each class.
        preparation: What happens to an image between its file and the network in validation and test, as far as the task
            does not do it, for whoever predicts later: a value of JSON. Known after :meth:`setup`.
        collate: How samples become a batch; PyTorch's way if None.

    Raises:
        ValueError: If an argument is out of range.
    """

    num_classes: int
    in_channels: int = 3
    image_size: tuple[int, int]
    class_names: tuple[str, ...]
    preparation: Mapping[str, Any] = MappingProxyType({})
    collate: Callable[[list[Any]], Any] | None = None
    train_set: Any
    val_set: Any
    test_set: Any

    def __init__(self, *, batch_size: int, num_workers: int, seed: int) -> None:
        super().__init__()
        for name, value, low in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0), ("seed", seed, 0)):
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.train_set = self.val_set = self.test_set = None

    def task_arguments(self) -> dict[str, Any]:
        """What a task is built with, beside its backbone."""
        return {"num_classes": self.num_classes}

    def read_sets(self) -> tuple[Any, Any, Any]:
        """The images of training, validation (maybe none) and test."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Reads and splits the images, once for all stages."""
        if self.train_set is None:
            self.train_set, self.val_set, self.test_set = self.read_sets()

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled training images; the last, smaller batch is dropped."""
        assert self.train_set is not None, "setup() comes first"
        return shuffled(
            self.train_set,
            seed=self.seed,
            trainer=self.trainer,
            batch_size=self.batch_size,
            **self._arguments(),
        )

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """Validation images; no loader if none are held out."""
        return self._ordered(self.val_set) if self.val_set is not None and len(self.val_set) else []

    def test_dataloader(self) -> DataLoader[Any]:
        """Test images."""
        assert self.test_set is not None, "setup() comes first"
        return self._ordered(self.test_set)

    def _ordered(self, images: Dataset[Any]) -> DataLoader[Any]:
        return in_order(images, batch_size=2 * self.batch_size, **self._arguments())

    def _arguments(self) -> dict[str, Any]:
        # Workers end with the epoch: those that live on keep a random state that no checkpoint holds.
        # Lightning adds its seeding of workers only after seed_everything(workers=True); here it does not depend on that.
        return {
            "num_workers": self.num_workers,
            "pin_memory": torch.cuda.is_available(),
            "worker_init_fn": pl_worker_init_function,
            "collate_fn": type(self).collate,
        }
