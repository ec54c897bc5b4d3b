"""A batch of real images from class folders."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightning_nas.errors import ArgumentError, MissingFileError

SIZE = 32
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2471, 0.2435, 0.2616)
ENDINGS = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"}


def class_images(folder: str, count: int, classes: int, seed: int, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Random images of CIFAR-10, normalised; others are scaled to its size.

    Args:
        folder: Holds one folder per class, or holds them in ``train/``.
        count: How many images, drawn from all without replacement.
        classes: How many classes there have to be.
        seed: Of the draw.
        size: Side to which images of another size are scaled.

    Returns:
        Images ``(count, 3, size, size)`` and labels ``(count,)``; classes in alphabetical order.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has another number of classes, or too few images.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MissingFileError(f"images = {folder!r}: there is no such folder")
    root = root / "train" if (root / "train").is_dir() else root
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if len(names) != classes:
        raise ArgumentError(f"images = {str(root)!r}: expected {classes} class folders, got {len(names)}")
    files = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((root / name).iterdir())
        if path.suffix.lower() in ENDINGS
    ]
    if len(files) < count:
        raise ArgumentError(f"images = {str(root)!r}: expected batch_size = {count} images or more, got {len(files)}")
    drawn = random.Random(seed).sample(files, count)
    images = torch.stack([_read(path, size) for path, _ in drawn])
    return images, torch.tensor([label for _, label in drawn])


def _read(path: Path, size: int) -> Tensor:
    with Image.open(path) as image:
        pixels = torch.from_numpy(np.array(image.convert("RGB").resize((size, size)), dtype=np.float32)) / 255
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1).contiguous()
