"""Data in COCO's layout: ``annotations/instances_<split>.json`` and a folder of images per split."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.detection.coco import CocoError, CocoSplit, read_coco, with_categories
from lightning_nas.tasks.detection.coco_fields import Category
from lightning_nas.tasks.detection.dataset import CocoDataset, Recipe, collate
from lightning_nas.tasks.detection.layout import recognise_coco
from lightning_nas.tasks.images import ImageDataModule
from lightning_nas.tasks.images.contents import named


class CocoDataModule(ImageDataModule):
    """Images with boxes, from annotation files as COCO's.

    ``root`` holds ``annotations/instances_<split>.json`` and a folder ``<split>/`` of images for every split. Files that
    lie elsewhere are named one by one. Everything is checked before training begins. Images stay as large as they are:
    the detector resizes and pads them.

    Args:
        root: The folder.
        train_split: Name of the split that trains.
        val_split: Name of the split that validates.
        test_split: Name of the split that tests; the validation images if None.
        train_annotations: The training annotations, if they lie elsewhere.
        train_images: The folder of training images, if it lies elsewhere.
        val_annotations: The same for validation.
        val_images: The same for validation.
        batch_size: Training images per batch.
        augmentation: Of training images: ``"none"``, ``"flip"``, ``"light"`` or ``"scale"``, which alone crops, and drops
            the boxes of which less than a tenth is left.
        subset: Number of training images to use, the first ones of the file; None for all.
        skip_invalid: Leave out invalid annotations and images with a warning that counts them, instead of refusing.
        decode: Decode every image once before training, to find damaged ones.
        num_workers: Processes that read images.
        seed: Of the order.

    Raises:
        ValueError: If an argument is out of range.
        FileNotFoundError: If a file or folder is missing.
        CocoError: If annotations or images are invalid; it names the file and the annotation.
    """

    collate = staticmethod(collate)
    recognise = staticmethod(recognise_coco)

    def __init__(
        self,
        root: str | None = None,
        train_split: str = "train2017",
        val_split: str = "val2017",
        test_split: str | None = None,
        train_annotations: str | None = None,
        train_images: str | None = None,
        val_annotations: str | None = None,
        val_images: str | None = None,
        batch_size: int = 16,
        augmentation: Recipe = "flip",
        subset: int | None = None,
        skip_invalid: bool = False,
        decode: bool = True,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        if subset is not None and subset < 1:
            raise ArgumentError(f"subset must be at least 1, or null for all images, got {subset}")
        given = (train_annotations, train_images, val_annotations, val_images)
        if root is None and None in given:
            raise ArgumentError(
                "root = None: expected a folder with annotations/ and images, or all of train_annotations, "
                f"train_images, val_annotations and val_images, got {given}"
            )
        self.root = Path(root) if root is not None else None
        self.train_split, self.val_split, self.test_split = train_split, val_split, test_split
        self.files = {
            train_split: (train_annotations, train_images),
            val_split: (val_annotations, val_images),
        }
        self.augmentation, self.subset, self.skip_invalid, self.decode = augmentation, subset, skip_invalid, decode
        self._splits: dict[str, CocoSplit] = {}

    @property
    def categories(self) -> tuple[Category, ...]:
        """The classes of objects, by their ids."""
        return self.split(self.train_split).categories

    @property
    def num_classes(self) -> int:
        """Number of classes of objects, background not counted."""
        return len(self.categories)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(category.name for category in self.categories)

    def split(self, name: str) -> CocoSplit:
        """A split, read and checked once."""
        if name not in self._splits:
            annotations, images = self.files.get(name, (None, None))
            root = self.root or Path()
            split = read_coco(
                Path(annotations) if annotations else root / "annotations" / f"instances_{name}.json",
                Path(images) if images else root / name,
                skip_invalid=self.skip_invalid,
                decode=self.decode,
            )
            if name != self.train_split:
                split = with_categories(split, self.categories, self.split(self.train_split).file)
            self._splits[name] = split
        return self._splits[name]

    def read_sets(self) -> tuple[CocoDataset, CocoDataset, CocoDataset]:
        """Reads all splits, and looks whether the training images hold something to learn.

        Raises:
            CocoError: If a split has categories that the training file lacks, or the training images no object that is
                trained on; classes without one are named in a warning.
        """
        train, val = self.split(self.train_split), self.split(self.val_split)
        test = val if self.test_split is None else self.split(self.test_split)
        if self.subset is not None:
            train = dataclasses.replace(train, images=train.images[: self.subset])
        check_training(train)
        return CocoDataset(train, self.augmentation, crowd=False), CocoDataset(val), CocoDataset(test)


def check_training(split: CocoSplit) -> None:
    """Names the classes of which no object is trained on.

    Raises:
        CocoError: If there is no object at all; else there is a warning.
    """
    counts = np.zeros(len(split.categories), dtype=np.int64)
    for image in split.images:
        counts += np.bincount(image.objects.categories[~image.objects.crowd], minlength=len(counts))
    place = f"{split.file}: {len(split.images)} images"
    if not counts.any():
        raise CocoError(f"{place} hold no object to train on, crowds left out; expected at least one")
    absent = [category.name for category, count in zip(split.categories, counts, strict=True) if not count]
    if absent:
        warnings.warn(f"{place} hold no object to train on of {named('class', 'classes', absent)}", stacklevel=2)
