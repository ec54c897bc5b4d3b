"""Recognises folders of images and masks, and Cityscapes' layout."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_nas.automatic.layout import Layout, LayoutError
from lightning_nas.tasks.images.files import image_files
from lightning_nas.tasks.images.parts import IMAGES, LABELS, part_of
from lightning_nas.tasks.images.sampled import median_sides, readable_sizes, sampled
from lightning_nas.tasks.segmentation.data.labels import IGNORE, cityscapes_table

HELD_OUT = 0.2
"""Share of the images that validates, where no part is given for that."""

SETTINGS = (
    "task.head=deeplab", "task.channels=64", "task.optimizer=adamw", "task.lr=1e-3", "task.weight_decay=1e-4",
    "task.schedule=cosine", "task.warmup_steps=30", "data.augmentation=scale",
)  # fmt: skip
MOST_COLOURS = 64
LOOKED_AT = 60
"""Masks that are read for their values."""

Part = tuple[Path, Path]
"""Folder of images, and of their masks."""


def recognise_masks(folder: Path, written: Path) -> Layout | None:
    """A folder with images and masks of the same names, if it is one: ``images/<part>``, ``<part>/images`` or ``images``.

    Where nothing validates, a fifth of the pairs is held out: two folders of links are written, no image is copied.

    Args:
        folder: Of the data.
        written: Where these folders go.

    Raises:
        LayoutError: If the masks cannot be read as numbers or colours of classes.
    """
    parts = _parts(folder)
    if not parts:
        return None
    notes = []
    if "train" not in parts:
        raise LayoutError(f"data = {str(folder)!r}: images and masks for {', '.join(parts)}, and none that trains")
    if "val" not in parts:
        parts = {**parts, **_held_out(parts["train"], written)}
        notes.append(f"no part validates, so {len(image_files(parts['val'][0]))} images were held out")
    kinds, said = _values(sampled(image_files(parts["train"][1]), LOOKED_AT), folder)
    middle = median_sides(readable_sizes(sampled(image_files(parts["train"][0]))))
    paths = [
        f"data.{part}_{name}={json.dumps(str(path.resolve()))}"
        for part in ("train", "val", "test")
        if part in parts
        for name, path in zip(("images", "masks"), parts[part], strict=True)
    ]

    def sized(side: int) -> list[str]:
        scale = round(min(side / max(middle[0], 1), 1.0), 4)
        return [f"data.image_scale={scale}", f"data.crop=[{side},{side}]", "data.scales=[0.75,1.5]"]

    return Layout(
        "images and masks", "segmentation", "masks",
        (f"data.root={json.dumps(str(folder))}", *paths, f"data.num_classes={len(kinds)}", *said, *SETTINGS), sized,
        {part: len(image_files(place)) for part, (place, _) in parts.items()}, kinds, middle, notes=tuple(notes),
    )  # fmt: skip


def recognise_cityscapes(folder: Path, written: Path) -> Layout | None:
    """A folder with ``leftImg8bit`` and ``gtFine``, if it is one.

    Args:
        folder: Of the data.
        written: Not used.
    """
    images, masks = folder / "leftImg8bit", folder / "gtFine"
    if not (images.is_dir() and masks.is_dir()):
        return None
    files = {part: sorted((images / part).glob("*/*_leftImg8bit.png")) for part in ("train", "val")}
    sides = median_sides(readable_sizes(sampled(files["train"], 20)))

    def sized(side: int) -> list[str]:
        scale = round(min(side / max(sides[0], 1), 1.0), 4)
        return [f"data.image_scale={scale}", f"data.crop=[{side},{side}]", "data.scales=[0.75,1.5]"]

    return Layout(
        "Cityscapes", "segmentation", "cityscapes", (f"data.root={json.dumps(str(folder))}", *SETTINGS), sized,
        {part: len(found) for part, found in files.items()}, [entry.name for entry in cityscapes_table().classes], sides,
    )  # fmt: skip


def _parts(folder: Path) -> dict[str, Part]:
    images, masks = _named(folder, IMAGES), _named(folder, LABELS)
    if images is not None and masks is not None:
        within = {part: place for place in _folders(images) if (part := part_of(place.name)) is not None}
        found = {part: (place, masks / place.name) for part, place in within.items() if (masks / place.name).is_dir()}
        found = found or {"train": (images, masks)}
    else:
        found = {}
        for place in _folders(folder):
            part, pair = part_of(place.name), (_named(place, IMAGES), _named(place, LABELS))
            if part is not None and pair[0] is not None and pair[1] is not None:
                found[part] = (pair[0], pair[1])
    names = {part: {file.stem for file in image_files(pair[1])} for part, pair in found.items()}
    return {
        part: pair for part, pair in found.items() if any(file.stem in names[part] for file in image_files(pair[0]))
    }


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _named(folder: Path, names: Sequence[str]) -> Path | None:
    return next((entry for entry in _folders(folder) if entry.name.lower() in names and image_files(entry)), None)


def _values(masks: Sequence[Path], folder: Path) -> tuple[list[str], list[str]]:
    """Names of the classes, and overrides that say how masks store them."""
    numbers: set[int] = set()
    colours: set[tuple[int, ...]] = set()
    for file in masks:
        with Image.open(file) as image:
            stored = np.asarray(image if image.mode in ("L", "P", "I", "I;16", "1") else image.convert("RGB"))
        if stored.ndim == 3:
            colours |= {tuple(int(value) for value in row) for row in np.unique(stored.reshape(-1, 3), axis=0)}
        else:
            numbers |= {int(value) for value in np.unique(stored)}
        if len(colours) > MOST_COLOURS:
            raise LayoutError(f"{file}: more than {MOST_COLOURS} colours: expected one per class, stored without loss")
    if colours and numbers:
        raise LayoutError(f"data = {str(folder)!r}: some masks hold colours, others numbers of classes")
    if colours:
        ordered = sorted(colours)
        return [f"colour {hue}" for hue in ordered], [f"data.palette={json.dumps([list(hue) for hue in ordered])}"]
    if numbers == {0, IGNORE}:  # black and white
        return ["background", "foreground"], ["data.palette=[[0,0,0],[255,255,255]]"]
    highest = max(numbers - {IGNORE}, default=0)
    if not 1 <= highest < IGNORE:
        raise LayoutError(
            f"data = {str(folder)!r}: masks hold the values {sorted(numbers)[:8]}; expected 0, 1, ... for classes"
        )
    return [f"class {number}" for number in range(highest + 1)], []


def _held_out(whole: Part, written: Path) -> dict[str, Part]:
    """The training pairs in two parts, always the same ones, as folders of links."""
    images, masks = ({file.stem: file for file in image_files(place)} for place in whole)
    names = sorted(images.keys() & masks.keys())
    random.Random(0).shuffle(names)
    held = set(names[: max(round(HELD_OUT * len(names)), 1)])
    parts = {}
    for part in ("train", "val"):
        places = (written / "images" / part, written / "masks" / part)
        for place, files in zip(places, (images, masks), strict=True):
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                link = place / files[name].name
                if (name in held) == (part == "val") and not link.is_symlink():
                    link.symlink_to(files[name].resolve())
        parts[part] = places
    return parts
