"""Images as people give them to a network: files, arrays, pictures, lists and folders of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images.files import ENDINGS, image_files
from lightning_nas.tasks.images.problems import DataError
from lightning_nas.tasks.images.reading import read_grey, read_rgb


def listed(source: Any) -> tuple[list[Any], bool]:
    """The images that something stands for, and whether it is one image alone.

    Args:
        source: A file, an array, a picture of Pillow; or a folder or a list of them.

    Raises:
        DataError: If there is no such file, or no image in a folder.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.exists():
            raise DataError(f"images = {str(source)!r}: there is no such file or folder")
        if not path.is_dir():
            return [path], True
        found = image_files(path)
        if not found:
            raise DataError(f"images = {str(source)!r}: no image in this folder or below; known are {ENDINGS}")
        return list(found), False
    if isinstance(source, Sequence) or (isinstance(source, np.ndarray) and source.ndim == 4):
        return list(source), False
    return [source], True


def as_pixels(image: Any, channels: int = 3) -> np.ndarray:
    """An image as ``(H, W, channels)`` of ``uint8``.

    Args:
        image: A file, an array ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)`` of ``uint8``, or a picture of Pillow.
        channels: 3, or 1 for shades of grey.

    Raises:
        ArgumentError: If it is anything else, or cannot be read.
    """
    if isinstance(image, str | Path):
        return read_grey(image) if channels == 1 else read_rgb(image)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
            raise ArgumentError(
                f"images: got an array {image.shape} of {image.dtype}; expected (H, W, 3) or (H, W) of uint8, red first"
            )
        if not image.size:
            raise ArgumentError(f"images: got an array {image.shape} without pixels")
        if image.ndim == 3 and image.shape[2] == channels:
            return image
        image = Image.fromarray(image.squeeze(2) if image.ndim == 3 and image.shape[2] == 1 else image)
    if isinstance(image, Image.Image):
        pixels = np.array(image.convert("L" if channels == 1 else "RGB"))
        return pixels[..., None] if channels == 1 else pixels
    raise ArgumentError(
        f"images: got {type(image).__name__}; expected a file, an array (H, W, 3) of uint8, a picture of Pillow, or a list or "
        "folder of these"
    )
