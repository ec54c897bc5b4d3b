"""Reading masks: the value of every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.images.reading import UNREADABLE, check_pixels, orientation, unreadable, upright

INDEXED = ("1", "L", "P", "I", "I;16")
"""Modes of images that hold one value per pixel."""


@dataclass(frozen=True)
class Mask:
    """A mask file.

    Args:
        values: ``(H, W)`` of ``uint8``, turned as the EXIF orientation says.
        colours: Value that occurs -> its colour in the file's own palette; empty where values do not come from one.
    """

    values: np.ndarray
    colours: Mapping[int, tuple[int, ...]]


def read_mask(path: Path, palette: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """The values of :func:`open_mask`, ``(H, W)`` of ``uint8``."""
    return open_mask(path, palette).values


def open_mask(path: Path, palette: Sequence[Sequence[int]] | None = None) -> Mask:
    """Reads a mask.

    Args:
        path: An image with one value per pixel, or a coloured one.
        palette: Colour of each class; None where masks hold the values themselves. If it is given, colours decide in every
            kind of file, also where the file stores numbers and a palette of its own, or shades of grey. A pixel's value is
            the index of its colour; black, where it is none of them, is 255.

    Raises:
        ValueError: If the file cannot be decoded, holds values above 255, or colours that are not in the palette.
    """
    try:
        with Image.open(path) as image:
            turned = orientation(image)
            check_pixels(image)
            own = image.getpalette() if image.mode == "P" else None
            if image.mode in INDEXED and (palette is None or image.mode.startswith("I")):
                pixels = upright(np.array(image), turned)
            else:
                pixels = upright(np.array(image.convert("RGB")), turned)
    except UNREADABLE as error:
        raise ArgumentError(unreadable(path, error)) from error
    if pixels.ndim == 2:
        if pixels.min(initial=0) < 0 or pixels.max(initial=0) > 255:
            raise ArgumentError(
                f"{path}: values of a mask must lie from 0 to 255, got {pixels.min()} to {pixels.max()}"
            )
        values = pixels.astype(np.uint8)
        if palette is None:
            return Mask(values, {} if own is None else _used(values, own))
        pixels = values[..., None].repeat(3, axis=2)
    if palette is None:
        raise ArgumentError(
            f"{path}: the mask is coloured; give data.palette, the colour of each class, or indexed masks"
        )
    return Mask(_indices(pixels, palette, path), {})


def _used(values: np.ndarray, own: Sequence[int]) -> dict[int, tuple[int, ...]]:
    return {value: tuple(own[3 * value : 3 * value + 3]) for value in np.unique(values).tolist()}


def _indices(colours: np.ndarray, palette: Sequence[Sequence[int]], path: Path) -> np.ndarray:
    packed = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    known = {int(np.dot(hue, [1 << 16, 1 << 8, 1])): index for index, hue in enumerate(palette)}
    known.setdefault(0, 255)
    values, inverse = np.unique(packed, return_inverse=True)
    strange = [int(value) for value in values if int(value) not in known]
    if strange:
        hue = [strange[0] >> 16, strange[0] >> 8 & 255, strange[0] & 255]
        raise ArgumentError(
            f"{path}: colour {hue} is not in the palette; known are {[list(entry) for entry in palette]}; "
            "without data.palette masks are read by the numbers that they store"
        )
    table = np.array([known[int(value)] for value in values], np.uint8)
    indices: np.ndarray = table[inverse].reshape(packed.shape)
    return indices
