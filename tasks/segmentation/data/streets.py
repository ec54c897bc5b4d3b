"""The generated streets, read by the loader of Cityscapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images.cache import cache_folder
from lightning_nas.tasks.segmentation.data.augmentation import Recipe
from lightning_nas.tasks.segmentation.data.cityscapes import CityscapesDataModule
from lightning_nas.tasks.segmentation.data.street_files import write_streets


class StreetsDataModule(CityscapesDataModule):
    """Street scenes painted by a program, generated once, kept on disk in Cityscapes' layout.

    Args:
        root: Where to keep them; a folder for these settings in the user's cache if None.
        height: Of the images.
        width: Of the images.
        train: Number of training images.
        val: Number of validation images.
        test: Number of test images.
        crop: See :class:`CityscapesDataModule`, also for the next two.
        scales: Smallest and largest random scale.
        batch_size: Training images per batch.
        augmentation: Of training images: ``"none"``, ``"flip"``, ``"scale"`` or ``"full"``.
        num_workers: Processes that read images.
        content_seed: Of the content, apart from that of the run: runs with other seeds see the same images.
        seed: Of the order.

    Raises:
        ValueError: If an argument is out of range.
    """

    generated = True

    def __init__(
        self,
        root: str | None = None,
        height: int = 96,
        width: int = 192,
        train: int = 320,
        val: int = 60,
        test: int = 120,
        crop: Sequence[int] | None = (96, 96),
        scales: Sequence[float] = (0.75, 1.5),
        batch_size: int = 8,
        augmentation: Recipe = "flip",
        num_workers: int = 0,
        content_seed: int = 0,
        seed: int = 0,
    ) -> None:
        for name, value, low in (
            ("height", height, 32),
            ("width", width, 32),
            ("train", train, 1),
            ("val", val, 1),
            ("test", test, 1),
            ("content_seed", content_seed, 0),
        ):
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        name = f"{height}x{width}_{train}_{val}_{test}_{content_seed}"
        folder = Path(root) if root is not None else cache_folder() / "streets_v1" / name
        super().__init__(
            str(folder), test_split="test", crop=crop, scales=scales, batch_size=batch_size, augmentation=augmentation,
            num_workers=num_workers, seed=seed,
        )  # fmt: skip
        counts = {"train": train, "val": val, "test": test}
        write_streets(folder, counts, height=height, width=width, seed=content_seed)
