"""Annotation files in COCO's format (Lin et al. 2014, arXiv 1405.0312): read, checked, ready for a data set."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from lightning_nas.tasks.images.problems import Problems
from lightning_nas.tasks.images.reading import decoded_size, is_sideways

ROUNDING = 1.0
"""Pixels by which a box may stick out of its image before it counts as outside; it is clipped."""


LEAST_SIDE = 0.01
"""Pixels that a box must be wide and high: fewer cannot be told from none in single precision, on a large image."""


class CocoError(ValueError):
    """Annotations or images that cannot be used; the text names the file and the annotation."""


@dataclass(frozen=True)
class Category:
    """A class of objects: its id in the file, which need not be contiguous, and its name."""

    id: int
    name: str


@dataclass(frozen=True)
class Objects:
    """The objects of an image.

    Args:
        boxes: ``(n, 4)``, left, top, right, bottom in pixels.
        categories: ``(n,)``, index into the categories.
        areas: ``(n,)``, area of the object itself in pixels; COCO's size classes go by it.
        crowd: ``(n,)``, whether it is a group: not trained on, and neither right nor wrong to detect.
    """

    boxes: np.ndarray
    categories: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class CocoImage:
    """An image and its objects, maybe none."""

    id: int
    path: Path
    height: int
    width: int
    objects: Objects


@dataclass(frozen=True)
class CocoSplit:
    """The images and categories of an annotation file."""

    file: Path
    images: tuple[CocoImage, ...]
    categories: tuple[Category, ...]


def read_coco(annotations: Path, images: Path, *, skip_invalid: bool = False, decode: bool = True) -> CocoSplit:
    """Reads an annotation file and checks everything in it, before any training.

    Args:
        annotations: The JSON file.
        images: Folder of the images.
        skip_invalid: Leave out what is invalid, with one warning that counts it, instead of raising.
        decode: Decode every image once; otherwise only its existence is checked.

    Raises:
        FileNotFoundError: If the file or the folder does not exist.
        CocoError: If the file is no COCO file, an image is missing or does not decode, a box has no area (see
            :data:`LEAST_SIDE`) or lies outside its image, a category or image is unknown, or nothing is left. It names
            the file and the annotation.
    """
    if not annotations.is_file():
        raise FileNotFoundError(f"{annotations}: there is no such annotation file")
    if not images.is_dir():
        raise FileNotFoundError(f"{images}: there is no such folder of images (annotations: {annotations})")
    data = _load(annotations)
    problems = Problems(annotations, CocoError, skip_invalid)
    categories = _categories(data, annotations)
    index = {category.id: position for position, category in enumerate(categories)}
    records = _records(data, annotations)
    usable = _usable_images(records, images, problems, decode)
    rows: dict[int, list[tuple[Any, ...]]] = {image_id: [] for image_id in usable}
    seen: set[Any] = set()
    for entry in data["annotations"]:
        row = _row(entry, records, index, seen, problems)
        if row is not None and entry["image_id"] in rows:
            rows[entry["image_id"]].append(row)
    problems.warn()
    if not usable:
        raise CocoError(f"{annotations}: no usable image; expected at least one")
    if not any(rows.values()):
        raise CocoError(f"{annotations}: no usable annotation on any of {len(usable)} images; expected at least one")
    split = tuple(
        CocoImage(image_id, images / record["file_name"], record["height"], record["width"], _objects(rows[image_id]))
        for image_id, record in usable.items()
    )
    return CocoSplit(annotations, split, categories)


def _load(file: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CocoError(f"{file}: not valid JSON: {error}") from None
    lists = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in lists):
        raise CocoError(f"{file}: expected a COCO file, an object with the lists {', '.join(lists)}")
    if not data["images"]:
        raise CocoError(f"{file}: the data set is empty: no images")
    return data


def _categories(data: Mapping[str, Any], file: Path) -> tuple[Category, ...]:
    for entry in data["categories"]:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("id"), int)
            or not isinstance(entry.get("name"), str)
        ):
            raise CocoError(f"{file}: expected categories with 'id' and 'name', got {entry!r}")
    categories = sorted((Category(entry["id"], entry["name"]) for entry in data["categories"]), key=lambda c: c.id)
    if not categories or len({category.id for category in categories}) != len(categories):
        raise CocoError(f"{file}: expected categories with different ids, got {[c.id for c in categories]}")
    return tuple(categories)


def _records(data: Mapping[str, Any], file: Path) -> dict[int, Mapping[str, Any]]:
    records: dict[int, Mapping[str, Any]] = {}
    for entry in data["images"]:
        whole = isinstance(entry, dict) and all(isinstance(entry.get(key), int) for key in ("id", "height", "width"))
        if not whole or not isinstance(entry.get("file_name"), str):
            raise CocoError(f"{file}: expected images with 'id', 'file_name', 'height' and 'width', got {entry!r}")
        if entry["id"] in records:
            raise CocoError(f"{file}: image id {entry['id']} occurs twice")
        records[entry["id"]] = entry
    return records


def _usable_images(
    records: Mapping[int, Mapping[str, Any]], folder: Path, problems: Problems, decode: bool
) -> dict[int, Mapping[str, Any]]:
    """The images that exist and, if asked for, decode to the size that their record says."""

    def fault(record: Mapping[str, Any]) -> tuple[str, str] | None:
        path = folder / record["file_name"]
        if not path.is_file():
            return "image missing", f"image {record['id']}: {path} does not exist"
        if not decode:
            return None
        try:
            size = decoded_size(path)
        except ValueError as error:
            return "image does not decode", f"image {record['id']}: {error}"
        if size != (record["height"], record["width"]):
            text = f"image {record['id']}: {path} is {size[0]} x {size[1]}, annotated {record['height']} x {record['width']}"
            turned = size == (record["width"], record["height"]) and is_sideways(path)
            why = ": its EXIF orientation turns it, and the annotation takes it as it is stored" if turned else ""
            return "image of other size", text + why
        return None

    usable = {}
    with ThreadPoolExecutor() as pool:
        faults = track(pool.map(fault, records.values()), f"checking {folder.name}", len(records), transient=True)
        for (image_id, record), found in zip(records.items(), faults, strict=True):
            if found is None:
                usable[image_id] = record
            else:
                problems.note(*found)
    return usable


def _row(
    entry: Any,
    records: Mapping[int, Mapping[str, Any]],
    index: Mapping[int, int],
    seen: set[Any],
    problems: Problems,
) -> tuple[Any, ...] | None:
    """Box, category, area and crowd of an annotation, or None if it is left out."""
    name = f"annotation {entry.get('id') if isinstance(entry, dict) else entry!r}"
    missing = [
        key for key in ("id", "image_id", "category_id", "bbox") if not isinstance(entry, dict) or key not in entry
    ]
    if missing:
        return problems.note("incomplete", f"{name}: lacks {missing}")
    if entry["id"] in seen:
        return problems.note("repeated id", f"{name}: the id occurs twice")
    seen.add(entry["id"])
    if entry["image_id"] not in records:
        return problems.note("unknown image", f"{name}: there is no image with id {entry['image_id']!r}")
    if entry["category_id"] not in index:
        return problems.note(
            "unknown category", f"{name}: category {entry['category_id']!r} is unknown; known are {sorted(index)}"
        )
    box, record = entry["bbox"], records[entry["image_id"]]
    numbers = (
        isinstance(box, list) and len(box) == 4 and all(isinstance(n, int | float) and math.isfinite(n) for n in box)
    )
    if not numbers:
        return problems.note("malformed box", f"{name}: bbox must be [x, y, width, height], got {box!r}")
    left, top, width, height = (float(n) for n in box)
    if width <= 0 or height <= 0:
        return problems.note("box without area", f"{name}: bbox {box} has no area")
    if min(width, height) < LEAST_SIDE:
        return problems.note(
            "box without area", f"{name}: bbox {box} has no area, since it is narrower than {LEAST_SIDE} pixels"
        )
    right, bottom = left + width, top + height
    limits = (record["width"], record["height"])
    if left < -ROUNDING or top < -ROUNDING or right > limits[0] + ROUNDING or bottom > limits[1] + ROUNDING:
        return problems.note(
            "box outside", f"{name}: bbox {box} lies outside of its image, {limits[0]} x {limits[1]} (width x height)"
        )
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, limits[0]), min(bottom, limits[1])
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        return problems.note("box outside", f"{name}: bbox {box} lies outside of its image")
    area = float(entry.get("area", width * height))
    return (left, top, right, bottom), index[entry["category_id"]], area, bool(entry.get("iscrowd", 0))


def _objects(rows: list[tuple[Any, ...]]) -> Objects:
    return Objects(
        np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float32),
        np.array([row[3] for row in rows], dtype=bool),
    )
