"""What the data modules of images share: the data set, stratified splits, loaders that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.seed import pl_worker_init_function
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightning_nas.search.loader import shuffled


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Images with a class each.

    Args:
        images: Arrays ``(H, W, C)``, or what ``read`` turns into one.
        targets: Class of each image.
        transform: Array -> tensor ``(C, H', W')``.
        read: How to read an item of ``images``; None if they are arrays.

    Attributes:
        targets: Class of each image; data halves are stratified by it.
    """

    def __init__(
        self,
        images: Sequence[Any] | np.ndarray,
        targets: Sequence[int] | np.ndarray,
        transform: Callable[[np.ndarray], Tensor],
        read: Callable[[Any], np.ndarray] | None = None,
    ) -> None:
        if len(images) != len(targets):
            raise ValueError(f"targets must be as many as images ({len(images)}), got {len(targets)}")
        self.images, self.targets = images, np.asarray(targets, dtype=np.int64)
        self.transform, self.read = transform, read

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        return self.transform(image if self.read is None else self.read(image)), int(self.targets[index])

    def part(self, indices: np.ndarray, transform: Callable[[np.ndarray], Tensor]) -> ImageDataset:
        """Some of the images, with a transform of their own."""
        images = self.images[indices] if isinstance(self.images, np.ndarray) else [self.images[i] for i in indices]
        return ImageDataset(images, self.targets[indices], transform, self.read)


def stratified(targets: np.ndarray, count: int, *, seed: int, argument: str) -> tuple[np.ndarray, np.ndarray]:
    """Chooses images so that all classes keep their shares.

    Args:
        targets: Class of each image.
        count: How many to choose; all may be chosen, none may be.
        seed: Of the choice.
        argument: What to call it in messages, e.g. ``"subset = 5"``.

    Returns:
        Indices of the chosen ones and of the others, ascending.

    Raises:
        ValueError: If there are not so many, or a class cannot be in both parts.
    """
    everything = np.arange(len(targets))
    if count == 0:
        return everything[:0], everything
    if count == len(targets):
        return everything, everything[:0]
    classes, sizes = np.unique(targets, return_counts=True)
    if not len(classes) <= count <= len(targets) - len(classes):
        raise ValueError(
            f"{argument} chooses {count} of {len(targets)} images in {len(classes)} classes; "
            f"expected {len(classes)} to {len(targets) - len(classes)}, so that each class can be in both parts, or all"
        )
    if sizes.min() < 2:
        raise ValueError(f"{argument}: class {classes[sizes.argmin()]} has one image and cannot be in both parts")
    chosen, rest = train_test_split(everything, train_size=count, random_state=seed, stratify=targets)
    return np.sort(chosen), np.sort(rest)


class ImageDataModule(pl.LightningDataModule):
    """Loaders around ``train_set``, ``val_set`` and ``test_set``; a subclass says in :meth:`read_sets` what they are.

    Args:
        batch_size: Training images per batch; validation and test take twice as many.
        num_workers: Processes that read images.
        seed: Of splits and orders.

    Attributes:
        num_classes: Number of classes.
        in_channels: Channels of an image.
        image_size: Height and width.
        class_names: Name of each class.

    Raises:
        ValueError: If an argument is out of range.
    """

    num_classes: int
    in_channels: int = 3
    image_size: tuple[int, int]
    class_names: tuple[str, ...]
    train_set: ImageDataset | None
    val_set: ImageDataset | None
    test_set: ImageDataset | None

    def __init__(self, *, batch_size: int, num_workers: int, seed: int) -> None:
        super().__init__()
        for name, value, low in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0), ("seed", seed, 0)):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.train_set = self.val_set = self.test_set = None

    def read_sets(self) -> tuple[ImageDataset, ImageDataset, ImageDataset]:
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
            **self._workers(),
        )

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """Validation images; no loader if none are held out."""
        return self._ordered(self.val_set) if self.val_set is not None and len(self.val_set) else []

    def test_dataloader(self) -> DataLoader[Any]:
        """Test images."""
        assert self.test_set is not None, "setup() comes first"
        return self._ordered(self.test_set)

    def _ordered(self, images: ImageDataset) -> DataLoader[Any]:
        return DataLoader(images, 2 * self.batch_size, **self._workers())

    def _workers(self) -> dict[str, Any]:
        # Workers end with the epoch: those that live on keep a random state that no checkpoint holds.
        # Lightning adds its seeding of workers only after seed_everything(workers=True); here it does not depend on that.
        return {
            "num_workers": self.num_workers,
            "pin_memory": torch.cuda.is_available(),
            "worker_init_fn": pl_worker_init_function,
        }


def check_share(name: str, value: float) -> None:
    """Refuses a share outside of 0 to 1.

    Raises:
        ValueError: Naming the argument.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value}")


def check_subset(subset: int | None) -> None:
    """Refuses an empty training set.

    Raises:
        ValueError: If it is below 1.
    """
    if subset is not None and subset < 1:
        raise ValueError(f"subset must be at least 1, or null for all images, got {subset}")
