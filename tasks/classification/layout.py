"""Recognises folders of images, one per class."""

from __future__ import annotations

import json
from pathlib import Path

from lightning_nas.automatic.layout import Layout
from lightning_nas.errors import NasError
from lightning_nas.tasks.classification.folders import class_folders, list_images
from lightning_nas.tasks.classification.splits import find_parts
from lightning_nas.tasks.images.files import is_image
from lightning_nas.tasks.images.parts import IMAGES, LABELS
from lightning_nas.tasks.images.sampled import median_sides, readable_sizes, sampled

SETTINGS = ("data.augmentation=light", "task.lr=0.02", "task.weight_decay=1e-4")
FRACTION = 0.1
"""Of the training images, which validates where there is no folder for that."""


def recognise_class_folders(folder: Path, written: Path) -> Layout | None:
    """A folder of class folders, or of ``train``, ``val`` and ``test`` with class folders, if it is one.

    Args:
        folder: Of the data.
        written: Not used: the data module itself holds out what is missing.
    """
    try:
        parts = find_parts(folder)
        names = class_folders(parts["train"])
    except (NasError, KeyError):
        return None
    known = {*IMAGES, *LABELS}
    inside = [parts["train"] / name for name in names]
    if len(names) < 2 or {name.lower() for name in names} & known or any(map(_annotated, [*parts.values(), *inside])):
        return None
    if not all(any(is_image(entry, place) for entry in place.iterdir() if entry.is_file()) for place in inside):
        return None
    counts = {part: len(list_images(place, names)[0]) for part, place in parts.items()}
    notes = []
    if "val" not in counts:
        held = max(round(FRACTION * counts["train"]), 1)
        counts = {
            "train": counts["train"] - held,
            "val": held,
            **({"test": counts["test"]} if "test" in counts else {}),
        }
        notes.append(f"no folder validates, so {held} images are held out, class by class")
    files, targets = list_images(parts["train"], names)
    per_class = [int((targets == index).sum()) for index in range(len(names))]
    if max(per_class) > 10 * min(per_class):
        notes.append(
            f"classes are uneven: {names[per_class.index(min(per_class))]} has {min(per_class)} images, "
            f"{names[per_class.index(max(per_class))]} {max(per_class)}"
        )
    sides = median_sides(readable_sizes(sampled([Path(file) for file in files])))
    return Layout(
        "class folders", "classification", "imagefolder", (f"data.root={json.dumps(str(folder))}", *SETTINGS),
        lambda side: [f"data.image_size={side}"], counts, names, sides, notes=tuple(notes),
    )  # fmt: skip


def _annotated(folder: Path) -> bool:
    return any(folder.glob("*.json"))
