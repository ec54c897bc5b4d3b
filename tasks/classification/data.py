"""What the data modules of classification share: images with a class each, splits that keep the classes' shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.utils.data import Dataset

from lightning_nas.errors import ArgumentError


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
            raise ArgumentError(f"targets must be as many as images ({len(images)}), got {len(targets)}")
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
        raise ArgumentError(
            f"{argument} chooses {count} of {len(targets)} images in {len(classes)} classes; "
            f"expected {len(classes)} to {len(targets) - len(classes)}, so that each class can be in both parts, or all"
        )
    if sizes.min() < 2:
        raise ArgumentError(f"{argument}: class {classes[sizes.argmin()]} has one image and cannot be in both parts")
    chosen, rest = train_test_split(everything, train_size=count, random_state=seed, stratify=targets)
    return np.sort(chosen), np.sort(rest)


def check_share(name: str, value: float) -> None:
    """Refuses a share outside of 0 to 1.

    Raises:
        ValueError: Naming the argument.
    """
    if not 0 <= value < 1:
        raise ArgumentError(f"{name} must be at least 0 and below 1, got {value}")


def check_subset(subset: int | None) -> None:
    """Refuses an empty training set.

    Raises:
        ValueError: If it is below 1.
    """
    if subset is not None and subset < 1:
        raise ArgumentError(f"subset must be at least 1, or null for all images, got {subset}")
