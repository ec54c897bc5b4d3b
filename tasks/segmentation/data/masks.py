"""Any folder of images and any folder of masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images.files import image_files
from lightning_nas.tasks.segmentation.data.augmentation import Recipe
from lightning_nas.tasks.segmentation.data.base import Files, SegmentationDataModule, check_folder
from lightning_nas.tasks.segmentation.data.labels import IGNORE, numbered_table
from lightning_nas.tasks.segmentation.data.layout import recognise_masks
from lightning_nas.tasks.segmentation.data.pairs import keyed
from lightning_nas.tasks.segmentation.drawing import default_palette


class MasksDataModule(SegmentationDataModule):
    """Images with masks of the same name: a mask holds the class of each pixel, 0, 1, 2, ..., or its colour.

    Args:
        root: Folder in which the others lie.
        num_classes: Number of classes.
        train_images: Folder of training images within ``root``.
        train_masks: Folder of their masks.
        val_images: The same for validation.
        val_masks: The same for validation.
        test_images: The same for the test; the validation images if None.
        test_masks: The same for the test.
        ignore_index: Value of pixels that do not count.
        palette: Colour of each class, for masks in which colours say the class, whether a file stores them as such, as shades
            of grey or as a palette of its own; None for masks that store the numbers of the classes.
        class_names: Name of each class.
        crop: See :class:`SegmentationDataModule`, also for all that follow.
        scales: Smallest and largest random scale.
        image_scale: Every image is brought to this size first, relative to its own.
        batch_size: Training images per batch.
        augmentation: Of training images: ``"none"``, ``"flip"``, ``"scale"`` or ``"full"``.
        subset: Number of training images to use.
        skip_invalid: Leave out invalid pairs with a warning that counts them.
        decode: Decode every image and mask once before training.
        num_workers: Processes that read images.
        seed: Of the order.

    Raises:
        ValueError: If an argument is out of range.
        FileNotFoundError: If a folder is missing.
        SegmentationError: If images or masks are invalid; it names the file.
    """

    recognise = staticmethod(recognise_masks)

    def __init__(
        self,
        root: str | None = None,
        num_classes: int | None = None,
        train_images: str = "images/train",
        train_masks: str = "masks/train",
        val_images: str = "images/val",
        val_masks: str = "masks/val",
        test_images: str | None = None,
        test_masks: str | None = None,
        ignore_index: int = IGNORE,
        palette: Sequence[Sequence[int]] | None = None,
        class_names: Sequence[str] | None = None,
        crop: Sequence[int] | None = (512, 512),
        scales: Sequence[float] = (0.5, 2.0),
        image_scale: float = 1.0,
        batch_size: int = 8,
        augmentation: Recipe = "scale",
        subset: int | None = None,
        skip_invalid: bool = False,
        decode: bool = True,
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(
            crop=crop, scales=scales, image_scale=image_scale, batch_size=batch_size, augmentation=augmentation,
            subset=subset, skip_invalid=skip_invalid, decode=decode, num_workers=num_workers, seed=seed,
        )  # fmt: skip
        if root is None:
            raise ArgumentError(
                "root = None: expected a folder with images and masks, see train_images and train_masks"
            )
        if num_classes is None or not 2 <= num_classes <= IGNORE:
            raise ArgumentError(f"num_classes = {num_classes}: expected the number of classes, from 2 to {IGNORE}")
        if not 0 <= ignore_index <= IGNORE:
            raise ArgumentError(f"ignore_index must be from 0 to {IGNORE}, got {ignore_index}")
        for name, values in (("palette", palette), ("class_names", class_names)):
            if values is not None and len(values) != num_classes:
                raise ArgumentError(f"{name} must have num_classes = {num_classes} entries, got {len(values)}")
        if palette is not None and any(len(hue) != 3 or not 0 <= min(hue) <= max(hue) <= 255 for hue in palette):
            raise ArgumentError(f"palette must hold colours [red, green, blue] from 0 to 255, got {palette!r}")
        if (test_images is None) != (test_masks is None):
            raise ArgumentError(f"test_images = {test_images!r} and test_masks = {test_masks!r}: give both or neither")
        if crop is None and batch_size > 1 and augmentation in ("scale", "full"):
            raise ArgumentError("crop = None: images scaled at random need a crop to fit into one batch")
        self.root, self.palette = Path(root), palette
        self.table = numbered_table(num_classes, ignore_index, class_names, palette or default_palette(num_classes))
        self.folders = {
            "train": (train_images, train_masks),
            "val": (val_images, val_masks),
            "test": (test_images or val_images, test_masks or val_masks),
        }

    def files(self, split: str) -> tuple[Path, Files, Files]:
        """Keys are names without ending, and folders within the given ones; hidden files are left out.

        Raises:
            SegmentationError: If two images or two masks have one name.
        """
        folders = [check_folder(self.root / name, "images or masks") for name in self.folders[split]]
        images, masks = (keyed(image_files(folder), folder) for folder in folders)
        return folders[0], images, masks
