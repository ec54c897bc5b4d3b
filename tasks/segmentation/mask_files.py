"""Reading masks: the value of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_nas.tasks.images.reading import UNREADABLE, orientation, upright

INDEXED = ("1", "L", "P", "I", "I;16")
"""Modes of images that hold one value per pixel."""


def read_mask(path: Path, palette: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """Reads a mask as values, ``(H, W)`` of ``uint8``, turned as its EXIF orientation says.

    Args:
        path: An image with one value per pixel (with or without a palette of its own), or a coloured one.
        palette: Colour of each class, needed for coloured masks: a pixel's value is the index of its colour; black, where
            it is none of them, is 255.

    Raises:
        ValueError: If the file cannot be decoded, holds values above 255, or colours that are not in the palette.
    """
    try:
        with Image.open(path) as image:
            turned = orientation(image)
            if image.mode in INDEXED:
                values = upright(np.array(image), turned)
                colours = None
            else:
                colours = upright(np.array(image.convert("RGB")), turned)
    except UNREADABLE as error:
        raise ValueError(f"{path}: not an image that can be read ({error})") from error
    if colours is None:
        if values.min(initial=0) < 0 or values.max(initial=0) > 255:
            raise ValueError(f"{path}: values of a mask must lie from 0 to 255, got {values.min()} to {values.max()}")
        return values.astype(np.uint8)
    if palette is None:
        raise ValueError(f"{path}: the mask is coloured; give data.palette, the colour of each class, or indexed masks")
    return _indices(colours, palette, path)


def _indices(colours: np.ndarray, palette: Sequence[Sequence[int]], path: Path) -> np.ndarray:
    packed = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    known = {int(np.dot(hue, [1 << 16, 1 << 8, 1])): index for index, hue in enumerate(palette)}
    known.setdefault(0, 255)
    values, inverse = np.unique(packed, return_inverse=True)
    strange = [int(value) for value in values if int(value) not in known]
    if strange:
        hue = [strange[0] >> 16, strange[0] >> 8 & 255, strange[0] & 255]
        raise ValueError(f"{path}: colour {hue} is not in the palette; known are {[list(entry) for entry in palette]}")
    table = np.array([known[int(value)] for value in values], np.uint8)
    indices: np.ndarray = table[inverse].reshape(packed.shape)
    return indices
