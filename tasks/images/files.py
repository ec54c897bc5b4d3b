"""Which files of a folder are images."""

from __future__ import annotations

import os
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS

ENDINGS = ", ".join(IMG_EXTENSIONS)
"""For messages; upper case is the same."""


def is_image(path: Path, folder: Path) -> bool:
    """Whether a file within a folder is an image by its ending, and neither it nor a folder between is hidden.

    Hidden are names that begin with a dot, such as the ``._photo.jpg`` that macOS leaves beside ``photo.jpg``.

    Example:
        >>> root = Path("photos")
        >>> [is_image(root / name, root) for name in ("a.jpg", "b/C.JPEG", "._a.jpg", ".trash/a.jpg", "a.txt")]
        [True, True, False, False, False]
    """
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in IMG_EXTENSIONS


def image_files(folder: Path, *, without: Path | None = None) -> list[Path]:
    """The images of a folder and its sub-folders, also linked ones, by their paths.

    Args:
        folder: The folder.
        without: A folder that may lie within, and whose images are left out.
    """
    left_out = None if without is None else os.path.realpath(without)
    found = []
    for place, names, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        above = {real, *map(str, Path(real).parents)}  # a link to one of these would be followed for ever
        names[:] = [
            name
            for name in names
            if (target := os.path.realpath(os.path.join(place, name))) != left_out
            and not (os.path.islink(os.path.join(place, name)) and target in above)
        ]
        paths = (Path(place, name) for name in files)
        found += [path for path in paths if is_image(path, folder)]
    return sorted(found)
