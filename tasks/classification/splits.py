"""Which folder of class folders trains, validates and tests."""

from __future__ import annotations

import warnings
from pathlib import Path

from lightning_nas.errors import MissingFileError
from lightning_nas.tasks.images.contents import named
from lightning_nas.tasks.images.parts import NAMES, part_of
from lightning_nas.tasks.images.problems import DataError


def find_parts(root: Path) -> dict[str, Path]:
    """Where each part lies: in folders of their own, or all in ``root``, whose folders are the classes then.

    A folder ``train`` that holds images only is a class: trains. What is passed over is named in a warning.

    Raises:
        FileNotFoundError: If there is no such folder.
        DataError: If two folders are one part, or there are others but none that trains.
    """
    if not root.is_dir():
        raise MissingFileError(f"root = {str(root)!r}: there is no such folder")
    folders = _folders(root)
    parts: dict[str, Path] = {}
    for folder in folders:
        part = part_of(folder.name)
        if part is None or (part == "train" and not _folders(folder)):
            continue
        if part in parts:
            raise DataError(
                f"{root}: both {parts[part].name!r} and {folder.name!r} are names of the {part} images; leave one of them"
            )
        parts[part] = folder
    if "train" in parts:
        others = [folder.name for folder in folders if folder not in parts.values()]
        if others:
            warnings.warn(f"{root}: passed over: {named('folder', 'folders', others)}", stacklevel=2)
        return parts
    if parts and len(parts) == len(folders) and all(_folders(folder) for folder in folders):
        raise DataError(
            f"{root}: {named('folder', 'folders', [folder.name for folder in folders])} and none that trains; expected 'train'"
        )
    return {"train": root}


def check_level(folder: Path, class_names: tuple[str, ...]) -> None:
    """Refuses a folder one level above that of the classes.

    Args:
        folder: Holds the class folders.
        class_names: Their names.

    Raises:
        DataError: If no class has images of its own, and all of them have folders of the same names.
    """
    below = [_folders(folder / name) for name in class_names]
    if not all(below) or any(entry.is_file() for name in class_names for entry in _visible(folder / name)):
        return
    shared = sorted(set.intersection(*({path.name for path in paths} for paths in below)))
    taken = named("class", "classes", class_names)
    if shared:
        raise DataError(
            f"{folder}: {taken} would be told apart, but each of these folders holds the {named('folder', 'folders', shared)}. "
            "If those are the classes, name the folder above them; names of splits are "
            + ", ".join(names[0] for names in NAMES.values())
        )
    warnings.warn(
        f"{folder}: {taken} hold images in folders of their own only, and these are not told apart", stacklevel=2
    )


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]
