"""Class folders on disk: which classes there are, and which images."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import make_dataset

from lightning_nas.errors import MissingFileError
from lightning_nas.tasks.images.checking import readable
from lightning_nas.tasks.images.files import ENDINGS, is_image
from lightning_nas.tasks.images.problems import DataError, Problems


def class_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, in alphabetical order; hidden ones are left out.

    Raises:
        FileNotFoundError: If it does not exist, or holds no folders.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: there is no such folder")
    names = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."))
    if not names:
        raise MissingFileError(f"{folder}: expected one folder per class, found none; are the images not sorted yet?")
    return names


def list_images(folder: Path, class_names: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """Paths and classes of all images in class folders; hidden files are left out, and what lies beside the folders is counted.

    Args:
        folder: Holds a folder for each class, or for some of them.
        class_names: All classes there may be.

    Raises:
        DataError: If there is a folder of another class.
        FileNotFoundError: If a class folder holds no image.
    """
    present = class_folders(folder)
    foreign = [name for name in present if name not in class_names]
    if foreign:
        raise DataError(f"{folder / foreign[0]}: class {foreign[0]!r} does not occur in the training images")
    index = {name: class_names.index(name) for name in present}
    samples = make_dataset(
        str(folder), index, is_valid_file=lambda path: is_image(Path(path), folder), allow_empty=True
    )
    targets = np.array([target for _, target in samples], dtype=np.int64)
    empty = [name for name, target in index.items() if target not in targets]
    if empty:
        raise MissingFileError(f"{folder / empty[0]}: no image in this folder; known are {ENDINGS}")
    loose = sum(entry.is_file() and is_image(entry, folder) for entry in folder.iterdir())
    if loose:
        warnings.warn(f"{folder}: passed over: {loose} images that lie in no class folder", stacklevel=2)
    return [path for path, _ in samples], targets


def leave_out_damaged(
    folder: Path, paths: list[str], targets: np.ndarray, class_names: tuple[str, ...], *, skip_invalid: bool
) -> tuple[list[str], np.ndarray]:
    """Decodes all images once.

    Args:
        folder: Named in messages.
        paths: The images.
        targets: Class of each.
        class_names: All classes.
        skip_invalid: Leave out images that cannot be read, with a warning that counts them, instead of raising.

    Returns:
        The images that can be read, and their classes.

    Raises:
        DataError: If one cannot be read, or none of a class can: it names the file or the class.
    """
    problems = Problems(folder, DataError, skip_invalid)
    whole = np.array(readable([Path(path) for path in paths], problems), dtype=bool)
    problems.warn()
    lost = sorted(set(targets.tolist()) - set(targets[whole].tolist()))
    if lost:
        raise DataError(f"{folder}: no image of class {class_names[lost[0]]!r} can be read")
    return [path for path, kept in zip(paths, whole, strict=True) if kept], targets[whole]
