"""Reading an image as people see it, and finding out whether it can be read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from lightning_nas.errors import ArgumentError

MOST_PIXELS = 178_956_970
"""Of one image; the limit of Pillow, beyond which a small file may fill the memory."""

UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError,
    MemoryError, NotImplementedError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises over a file that it cannot decode: its readers trust what a file says of itself."""

SIXTEEN_BITS = 257
"""65535 / 255: values of 16 bits per unit of those of 8 bits."""


def read_rgb(path: str | Path) -> np.ndarray:
    """Reads an image as RGB, ``(H, W, 3)`` of ``uint8``, turned as its EXIF orientation says.

    Values of 16 bits are scaled to 8; what is transparent has the colour that is stored there.

    Raises:
        ValueError: If the file cannot be decoded wholly, has more than :data:`MOST_PIXELS`, or holds values whose range is not
            known.
    """
    return _read(path, "RGB")


def read_grey(path: str | Path) -> np.ndarray:
    """Reads an image as shades of grey, ``(H, W, 1)`` of ``uint8``; see :func:`read_rgb`."""
    return _read(path, "L")[..., None]


def decoded_size(path: str | Path) -> tuple[int, int]:
    """Height and width of an image that was decoded to its end, a JPEG at an eighth of its size, which is quick.

    The sides are those that :func:`read_rgb` gives.

    Raises:
        ValueError: If :func:`read_rgb` would.
    """
    try:
        with Image.open(path) as image:
            stored = image.size
            check_pixels(image)
            image.draft("RGB", (1, 1))
            drafted = image.size != stored
            image.load()
            _check_mode(image)
            return _shown(stored if drafted else image.size, orientation(image))
    except UNREADABLE as error:
        raise ArgumentError(unreadable(path, error)) from error


def shown_size(path: str | Path) -> tuple[int, int]:
    """Height and width as :func:`read_rgb` gives them, of an image that need not decode.

    Raises:
        ValueError: If there is no image in the file, or it has more than :data:`MOST_PIXELS`.
    """
    try:
        with Image.open(path) as image:
            check_pixels(image)
            return _shown(image.size, orientation(image))
    except UNREADABLE as error:
        raise ArgumentError(unreadable(path, error)) from error


def is_sideways(path: str | Path) -> bool:
    """Whether the EXIF orientation exchanges height and width."""
    with Image.open(path) as image:
        return orientation(image) >= 5


def unreadable(path: str | Path, error: Exception) -> str:
    """What to say of an image that cannot be read."""
    if isinstance(error, Image.DecompressionBombError):
        return f"{path}: more than {MOST_PIXELS:,} pixels, the most that are read; cut it into tiles or make it smaller"
    return f"{path}: not an image that can be read ({error})"


def check_pixels(image: Image.Image) -> None:
    """Refuses an image that is too large, also where Pillow's own limit was changed.

    Raises:
        Image.DecompressionBombError: If it has more than :data:`MOST_PIXELS`.
    """
    if image.width * image.height > MOST_PIXELS:
        raise Image.DecompressionBombError


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image, from 1 (as it is stored) to 8; 1 where there is none, or none that can be read."""
    if image.format == "TIFF":
        image.load()  # turns the image, and forgets the orientation
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except UNREADABLE:
        return 1
    return int(value) if value in range(1, 9) else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """``(H, W, ...)`` as stored -> as shown (EXIF 2.32, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _read(path: str | Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            check_pixels(image)
            image.load()
            _check_mode(image)
            turned = orientation(image)
            if image.mode.startswith("I"):
                eight = np.round(np.array(image).astype(np.float32) / SIXTEEN_BITS).astype(np.uint8)
                pixels = np.array(Image.fromarray(eight).convert(mode))
            else:
                pixels = np.array(image.convert(mode))  # a copy: the array of an image is read-only
            return upright(pixels, turned)
    except UNREADABLE as error:
        raise ArgumentError(unreadable(path, error)) from error


def _check_mode(image: Image.Image) -> None:
    """Refuses values whose range is not known: Pillow would cut them off at 0 and 255.

    Raises:
        ValueError: If there are such values.
    """
    sixteen = image.mode.startswith("I;16") or image.format in ("PNG", "PPM")  # these have no more than 16 bits
    if image.mode == "F" or (image.mode == "I" and not sixteen):
        raise ArgumentError("values of 32 bits, whose range is not known: save it with 8 or 16 bits per channel")


def _shown(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height as stored -> height and width as shown."""
    return (size[0], size[1]) if orientation >= 5 else (size[1], size[0])
