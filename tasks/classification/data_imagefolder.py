"""Any folder of class folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.classification.augmentation import (
    Recipe,
    preparation,
    training,
)
from lightning_nas.tasks.classification.data import (
    ImageDataset,
    check_share,
    check_subset,
    stratified,
)
from lightning_nas.tasks.classification.folders import class_folders, leave_out_damaged, list_images
from lightning_nas.tasks.classification.layout import recognise_class_folders
from lightning_nas.tasks.classification.splits import check_level, find_parts
from lightning_nas.tasks.images import IMAGENET_MEAN, IMAGENET_STD, ImageDataModule, read_rgb


class ImageFolderDataModule(ImageDataModule):
    """Images sorted into one folder per class; the names of the folders are the classes.

    ``root`` holds ``train/`` and, as far as they exist, ``val/`` and ``test/``, each with class folders (or ``Training``,
    ``valid``, ``test_set``, ..., see ``splits.py``); or it holds the class folders itself. What does not exist is held out of
    the training images, class by class. Without test images, neither given nor held out, the validation images are the
    test images.

    Args:
        root: The folder.
        image_size: Height and width of the network's input.
        batch_size: Images per batch.
        augmentation: A recipe of ``augmentation.py``.
        cutout: Side of the square that is erased; 0 for none.
        mean: Of each channel.
        std: Of each channel.
        val_fraction: Share of the training images that validate, where there is no ``val/``.
        test_fraction: Share of the training images that test, where there is no ``test/``.
        subset: Number of training images to use of those left, chosen by class; None for all.
        skip_invalid: Leave out images that cannot be read with a warning that counts them, instead of refusing.
        decode: Decode every image once before training, to find damaged ones.
        num_workers: Processes that read images.
        seed: Of splits, subset and order.

    Raises:
        ValueError: If an argument is out of range, an image cannot be read, ``val/`` or ``test/`` has a class that ``train/``
            lacks, or ``root`` lies above the folder that was meant.
        FileNotFoundError: If folders or images are missing.
    """

    recognise = staticmethod(recognise_class_folders)

    def __init__(
        self,
        root: str | None = None,
        image_size: int = 32,
        batch_size: int = 64,
        augmentation: Recipe = "light",
        cutout: int = 0,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        val_fraction: float = 0.1,
        test_fraction: float = 0.0,
        subset: int | None = None,
        skip_invalid: bool = False,
        decode: bool = True,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        check_share("val_fraction", val_fraction)
        check_share("test_fraction", test_fraction)
        check_subset(subset)
        if val_fraction + test_fraction >= 1:
            raise ArgumentError(f"val_fraction + test_fraction must be below 1, got {val_fraction} + {test_fraction}")
        for name, value in (("mean", mean), ("std", std)):
            if len(value) != self.in_channels:
                raise ArgumentError(f"{name} must have {self.in_channels} numbers, one per channel, got {list(value)}")
        if root is None:
            raise ArgumentError("root = None: expected a folder with train/ and val/, or of class folders")
        self.root = Path(root)
        self.image_size = (image_size, image_size)
        self.val_fraction, self.test_fraction, self.subset = val_fraction, test_fraction, subset
        self.skip_invalid, self.decode = skip_invalid, decode
        self.augment = training(augmentation, image_size, mean, std, cutout)
        prepared = preparation(augmentation, image_size, mean, std)
        self.keep, self.preparation = prepared.pipeline(), prepared.record()
        self.folders = find_parts(self.root)
        self.class_names = class_folders(self.folders["train"])
        self.num_classes = len(self.class_names)
        if self.num_classes < 2:
            raise ArgumentError(f"{self.folders['train']}: expected two or more class folders, got {self.class_names}")
        check_level(self.folders["train"], self.class_names)

    def read_sets(self) -> tuple[ImageDataset, ImageDataset, ImageDataset]:
        """Lists the images, holds out what has no folder of its own, chooses the subset."""
        whole = self._read("train")
        kept = whole
        parts = {}
        for part, share in (("test", self.test_fraction), ("val", self.val_fraction)):
            if part in self.folders:
                parts[part] = self._read(part)
                continue
            held, rest = stratified(
                kept.targets, round(share * len(whole)), seed=self.seed, argument=f"{part}_fraction = {share}"
            )
            parts[part], kept = kept.part(held, self.keep), kept.part(rest, self.keep)
        if self.subset is not None:
            chosen, _ = stratified(kept.targets, self.subset, seed=self.seed, argument=f"subset = {self.subset}")
            kept = kept.part(chosen, self.keep)
        test = parts["test"] if len(parts["test"]) else parts["val"]
        if not len(test):
            raise ArgumentError(
                f"{self.root}: neither test/ nor val/ and val_fraction = test_fraction = 0: nothing is left to test on"
            )
        kept.transform = self.augment
        return kept, parts["val"], test

    def _read(self, part: str) -> ImageDataset:
        folder = self.folders[part]
        paths, targets = list_images(folder, self.class_names)
        if self.decode:
            paths, targets = leave_out_damaged(folder, paths, targets, self.class_names, skip_invalid=self.skip_invalid)
        # Classes come mixed, so that a run with limit_val_batches or limit_test_batches sees a fair sample of them.
        order = np.random.default_rng(self.seed).permutation(len(paths))
        return ImageDataset(paths, targets, self.keep, read_rgb).part(order, self.keep)
