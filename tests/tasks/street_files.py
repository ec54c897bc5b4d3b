"""Small data sets on disk for tests of segmentation."""

from pathlib import Path

import numpy as np
from PIL import Image

from lightning_nas.tasks.segmentation import CityscapesDataModule
from lightning_nas.tasks.segmentation.data.labels import cityscapes_table

KNOWN = sorted(entry.id for entry in cityscapes_table().classes)


def picture_of(labels: np.ndarray) -> np.ndarray:
    """An image that carries its own labels: the red channel is 7 times the label id."""
    return np.stack([7 * labels, np.full_like(labels, 90), np.full_like(labels, 30)], axis=2).astype(np.uint8)


def random_labels(height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, *KNOWN], (height // 8, width // 8))
    return coarse.repeat(8, 0).repeat(8, 1).astype(np.uint8)


def write_pair(image: Path, mask: Path, labels: np.ndarray) -> None:
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture_of(labels)).save(image)
    Image.fromarray(labels).save(mask)


def city_files(root: Path, split: str, city: str, frame: int) -> tuple[Path, Path]:
    stem = f"{city}_{frame:06d}_000019"
    return (
        root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png",
        root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png",
    )


def write_cities(root: Path, size: tuple[int, int] = (48, 64)) -> Path:
    """Two cities to train, one to validate: 3 and 2 frames."""
    for split, city, frames in (("train", "aachen", 2), ("train", "bochum", 1), ("val", "lindau", 2)):
        for frame in range(frames):
            write_pair(*city_files(root, split, city, frame), random_labels(*size, seed=frame + len(split)))
    return root


def cities(root, **changed):
    return CityscapesDataModule(str(root), **{"crop": (32, 40), "batch_size": 2, "num_workers": 0} | changed)
