"""The generated shapes, read by the loader of COCO data."""

from __future__ import annotations

from pathlib import Path

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.detection.data import CocoDataModule
from lightning_nas.tasks.detection.dataset import Recipe
from lightning_nas.tasks.detection.shapes import write_shapes
from lightning_nas.tasks.images.cache import cache_folder


class ShapesDataModule(CocoDataModule):
    """Discs, squares, triangles and stars on noisy ground: generated once, kept on disk as COCO JSON and PNG.

    Args:
        root: Where to keep them; a folder for these settings in the user's cache if None.
        image_size: Height and width.
        train: Number of training images.
        val: Number of validation images.
        test: Number of test images.
        most_objects: Objects per image, at most.
        batch_size: Training images per batch.
        augmentation: Of training images, see :class:`CocoDataModule`.
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
        image_size: int = 128,
        train: int = 400,
        val: int = 100,
        test: int = 200,
        most_objects: int = 5,
        batch_size: int = 8,
        augmentation: Recipe = "flip",
        num_workers: int = 0,
        content_seed: int = 0,
        seed: int = 0,
    ) -> None:
        for name, value, low in (
            ("image_size", image_size, 32),
            ("train", train, 1),
            ("val", val, 1),
            ("test", test, 1),
            ("most_objects", most_objects, 1),
            ("content_seed", content_seed, 0),
        ):
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        name = f"{image_size}px_{train}_{val}_{test}_{most_objects}_{content_seed}"
        folder = Path(root) if root is not None else cache_folder() / "shapes_v1" / name
        super().__init__(
            str(folder), "train", "val", "test",
            batch_size=batch_size, augmentation=augmentation, num_workers=num_workers, seed=seed,
        )  # fmt: skip
        self.image_size = (image_size, image_size)
        counts = {"train": train, "val": val, "test": test}
        write_shapes(folder, counts, image_size=image_size, most_objects=most_objects, seed=content_seed)
