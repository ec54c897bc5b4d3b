"""Recognises annotations in COCO's format as people and export tools lay them out, and holds out what is not split."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from lightning_nas.architecture import decode_text, parse_json, write_atomic
from lightning_nas.automatic.layout import Layout, LayoutError
from lightning_nas.tasks.images.parts import part_of

HELD_OUT = 0.2
"""Share of the images that validates, where no part is given for that."""

SETTINGS = (
    "task.detector=fcos", "task.anchor_scale=2.0", "task.optimizer=adamw", "task.lr=1e-3",
    "task.schedule=cosine", "task.warmup_steps=30", "task.weight_decay=1e-4",
)  # fmt: skip
"""A one-stage detector without anchors, which small data train in few epochs."""

NARROW, WIDE = 32, 128
"""Channels of the pyramid on a CPU, and on a GPU."""

SMALLEST_SIDE = 128
"""Stride of the coarsest level of a pyramid, to which smaller images are padded."""

Part = tuple[Path, Path]
"""Annotation file, and folder of its images."""


def recognise_coco(folder: Path, written: Path) -> Layout | None:
    """A folder with annotations in COCO's format, if it is one.

    Known are COCO's own ``annotations/instances_<part>.json`` beside ``<part>/`` or ``images/<part>/``, Roboflow's
    ``<part>/_annotations.coco.json`` beside the images, and CVAT's ``annotations/instances_default.json`` beside ``images/``.
    Where nothing validates, a fifth of the images is held out: two annotation files are written, no image is copied.

    Args:
        folder: Of the data.
        written: Where these files go.

    Raises:
        LayoutError: If an annotation file is none, or the images of one are not found.
    """
    parts, kind = _parts(folder)
    if not parts:
        return None
    records = {part: _read(file) for part, (file, _) in parts.items()}
    notes = []
    if "val" not in parts:
        parts, records = _held_out(parts, records, written)
        notes.append(f"no part validates, so {len(records['val']['images'])} images were held out")
    if "test" in parts:
        notes.append(
            f"the part {parts['test'][1].name} is left alone; networks are compared on the images that validate"
        )
    paths = [
        f"data.{part}_{name}={json.dumps(str(path))}"
        for part in ("train", "val")
        for name, path in zip(("annotations", "images"), parts[part], strict=True)
    ]
    train = records["train"]
    sizes = {image["id"]: (image["width"], image["height"]) for image in train["images"]}
    shares = [
        (box["bbox"][2] * box["bbox"][3] / max(sizes[box["image_id"]][0] * sizes[box["image_id"]][1], 1)) ** 0.5
        for box in train["annotations"]
        if box["image_id"] in sizes
    ]
    seen = {box["category_id"] for box in train["annotations"]}
    names = [entry["name"] for entry in train["categories"]]
    empty = [entry["name"] for entry in train["categories"] if entry["id"] not in seen]
    if empty:
        notes.append(f"classes without an object: {', '.join(map(str, empty[:5]))}")
    width = WIDE if torch.cuda.is_available() else NARROW
    return Layout(
        kind, "detection", "coco", (*paths, *SETTINGS, f"task.channels={width}"),
        lambda side: [f"task.min_size={side}", f"task.max_size={side}"],
        {part: len(record["images"]) for part, record in records.items() if part != "test"}, names,
        (int(median(min(size) for size in sizes.values())), int(median(max(size) for size in sizes.values()))),
        median(shares) if shares else 1.0, SMALLEST_SIDE, tuple(notes),
    )  # fmt: skip


def _parts(folder: Path) -> tuple[dict[str, Part], str]:
    found: dict[str, Part] = {}
    for file in sorted(folder.glob("*/_annotations.coco.json")):
        part = part_of(file.parent.name)
        if part is not None:
            found.setdefault(part, (file, file.parent))
    if found:
        return _with_training(found, folder), "COCO annotations as Roboflow exports them"
    for file in sorted([*folder.glob("annotations/*.json"), *folder.glob("*.json")]):
        name = file.stem.removeprefix("instances_").removesuffix("_annotations.coco").removeprefix("_")
        part = part_of(name) or ("train" if name in ("default", "annotations") else None)
        if part is None or (file.stem.startswith(("person_keypoints", "captions", "panoptic"))):
            continue
        places = [folder / name, folder / "images" / name, folder / "images", folder]
        images = next((place for place in places if place.is_dir() and (place == folder or any(place.iterdir()))), None)
        if images is not None:
            found.setdefault(part, (file, images))
    return (_with_training(found, folder) if found else {}), "COCO annotations"


def _with_training(found: dict[str, Part], folder: Path) -> dict[str, Part]:
    if "train" not in found:
        raise LayoutError(
            f"data = {str(folder)!r}: annotations in COCO's format for {', '.join(found)}, and none that trains; expected a "
            "file for train, e.g. annotations/instances_train.json"
        )
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        content = parse_json(decode_text(file.read_bytes()))
    except ValueError as error:
        raise LayoutError(f"{file}: not annotations in COCO's format: {error}") from None
    keys = ("images", "annotations", "categories")
    if not isinstance(content, Mapping) or any(not isinstance(content.get(key), list) for key in keys):
        raise LayoutError(f"{file}: not annotations in COCO's format, which have lists {', '.join(keys)}")
    try:
        for image in content["images"]:
            float(image["width"]), float(image["height"]), image["id"]
        for box in content["annotations"]:
            float(box["bbox"][3]), box["image_id"], box["category_id"]
        [(entry["id"], entry["name"]) for entry in content["categories"]]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise LayoutError(f"{file}: not annotations in COCO's format: {type(error).__name__} {error}") from None
    return dict(content)


def _held_out(
    parts: dict[str, Part], records: dict[str, dict[str, Any]], written: Path
) -> tuple[dict[str, Part], dict[str, dict[str, Any]]]:
    """The training images in two parts, always the same ones."""
    whole, (_, images) = records["train"], parts["train"]
    order = sorted((image["id"] for image in whole["images"]), key=str)
    random.Random(0).shuffle(order)
    held = set(order[: max(round(HELD_OUT * len(order)), 1)])
    written.mkdir(parents=True, exist_ok=True)
    split, places = {}, {}
    for part in ("train", "val"):
        keep = held if part == "val" else set(order) - held
        split[part] = {
            **whole,
            "images": [image for image in whole["images"] if image["id"] in keep],
            "annotations": [box for box in whole["annotations"] if box["image_id"] in keep],
        }
        places[part] = (written / f"{part}.json", images)
        write_atomic(places[part][0], json.dumps(split[part]))
    return {**parts, **places}, {**records, **split}
