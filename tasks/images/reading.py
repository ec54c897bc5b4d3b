"""Reading an image, and finding out whether it can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_rgb(path: str | Path) -> np.ndarray:
    """Reads an image as RGB, ``(H, W, 3)`` of ``uint8``.

    Raises:
        ValueError: If the file cannot be decoded wholly.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))  # a copy: the array of an image is read-only
    except _UNREADABLE as error:
        raise ValueError(f"{path}: not an image that can be read ({error})") from error


def decoded_size(path: str | Path) -> tuple[int, int]:
    """Height and width of an image that was decoded to its end, a JPEG at an eighth of its size, which is quick.

    Raises:
        ValueError: If the file cannot be decoded wholly.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            image.draft("RGB", (1, 1))
            image.load()
            return height, width
    except _UNREADABLE as error:
        raise ValueError(f"{path}: not an image that can be read ({error})") from error
