"""What all segmentation data share: checks, crops, scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from lightning_nas.errors import ArgumentError, MissingFileError
from lightning_nas.tasks.images import ImageDataModule
from lightning_nas.tasks.segmentation.data.augmentation import Recipe, make_pipeline
from lightning_nas.tasks.segmentation.data.contents import check_counted, check_training, warn_of_other_colours
from lightning_nas.tasks.segmentation.data.dataset import SegmentationDataset, collate
from lightning_nas.tasks.segmentation.data.labels import LabelClass, LabelTable
from lightning_nas.tasks.segmentation.data.pairs import Checks, Pair, check_pairs, warn_of_small

Files = Mapping[str, Path]
"""Key, equal for an image and its mask -> file."""


class SegmentationDataModule(ImageDataModule):
    """Images with masks. A subclass says in :meth:`files` where they lie and gives ``table``.

    Everything is checked before training begins. Validation and test images are used whole.

    Args:
        crop: Height and width of training images; None for whole ones.
        scales: Smallest and largest random scale of the recipes that scale.
        image_scale: Every image is brought to this size first, relative to its own.
        batch_size: Training images per batch.
        augmentation: Of training images: ``"none"``, ``"flip"``, ``"scale"`` or ``"full"``.
        subset: Number of training images to use, the first ones by name; None for all.
        skip_invalid: Leave out invalid pairs with a warning that counts them, instead of refusing.
        decode: Decode every image and mask once before training, to find damage and unknown labels.
        num_workers: Processes that read images.
        seed: Of the order.

    Attributes:
        table: The values of mask files.
        palette: Colours of coloured masks; None for indexed ones.
        preparation: ``scale`` of images, relative to their own size.

    Raises:
        ValueError: If an argument is out of range.
        FileNotFoundError: If a folder is missing.
        SegmentationError: If images or masks are invalid; it names the file.
    """

    collate = staticmethod(collate)
    table: LabelTable
    palette: Sequence[Sequence[int]] | None = None

    def __init__(
        self,
        *,
        crop: Sequence[int] | None,
        scales: Sequence[float],
        image_scale: float,
        batch_size: int,
        augmentation: Recipe,
        subset: int | None,
        skip_invalid: bool,
        decode: bool,
        num_workers: int,
        seed: int,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        if crop is not None and (len(crop) != 2 or min(crop) < 1):
            raise ArgumentError(f"crop must be height and width, both positive, or null for whole images, got {crop!r}")
        if not 0 < image_scale <= 4:
            raise ArgumentError(f"image_scale must be above 0 and at most 4, got {image_scale!r}")
        if subset is not None and subset < 1:
            raise ArgumentError(f"subset must be at least 1, or null for all images, got {subset}")
        if len(scales) != 2:
            raise ArgumentError(f"scales must be two numbers, the smallest and the largest scale, got {scales!r}")
        self.crop = None if crop is None else (crop[0], crop[1])
        self.image_scale, self.subset, self.skip_invalid, self.decode = image_scale, subset, skip_invalid, decode
        self.preparation = {"scale": image_scale}
        self.train_pipeline = make_pipeline(augmentation, self.crop, (scales[0], scales[1]), image_scale)
        self.test_pipeline = make_pipeline("none", None, (1.0, 1.0), image_scale)
        self._pairs: dict[str, tuple[Pair, ...]] = {}

    def files(self, split: str) -> tuple[Path, Files, Files]:
        """Folder of a split for messages, its images, its masks. Splits are ``train``, ``val`` and ``test``.

        A test split that is not there is that of validation: its ``files`` are equal.
        """
        raise NotImplementedError

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes in the order of their labels."""
        return self.table.classes

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.table.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(entry.name for entry in self.table.classes)

    @cached_property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the first validation image, as a network sees it."""
        first = self.pairs("val")[0]
        return round(first.height * self.image_scale), round(first.width * self.image_scale)

    def pairs(self, split: str) -> tuple[Pair, ...]:
        """The pairs of a split, found and checked once."""
        if split not in self._pairs:
            folder, images, masks = self.files(split)
            checks = Checks(self.table, self.palette, self.decode, self.skip_invalid)
            self._pairs[split] = check_pairs(folder, images, masks, checks)
        return self._pairs[split]

    def read_sets(self) -> tuple[SegmentationDataset, SegmentationDataset, SegmentationDataset]:
        """Reads all splits, and looks whether they hold something to learn and to measure."""
        train, val = self.pairs("train")[: self.subset], self.pairs("val")
        if self.crop is not None:
            warn_of_small(self.files("train")[0], train, self.crop, self.image_scale)
        tests_on_val = self.files("test") == self.files("val")
        test = val if tests_on_val else self.pairs("test")
        for split, pairs in (("train", train), ("val", val), *(() if tests_on_val else (("test", test),))):
            self.check_values(self.files(split)[0], pairs)
            check_counted(self.files(split)[0], pairs, self.table)
        check_training(self.files("train")[0], train, self.table)
        if self.palette is None:
            warn_of_other_colours(self.files("train")[0], [*train, *val, *test])
        lookup = self.table.lookup()
        return (
            SegmentationDataset(train, lookup, self.train_pipeline, self.palette),
            SegmentationDataset(val, lookup, self.test_pipeline, self.palette),
            SegmentationDataset(test, lookup, self.test_pipeline, self.palette),
        )

    def check_values(self, place: Path, pairs: Sequence[Pair]) -> None:
        """Refuses masks whose values are those of another kind of file, where a layout knows of one."""


def check_folder(folder: Path, what: str) -> Path:
    """The folder, if it is one.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: there is no such folder of {what}")
    return folder
