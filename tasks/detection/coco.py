"""Annotation files in COCO's format (Lin et al. 2014, arXiv 1405.0312): read, checked, ready for a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from lightning_nas.architecture import decode_text, parse_json
from lightning_nas.errors import MissingFileError
from lightning_nas.tasks.detection.coco_fields import (
    Annotation,
    Category,
    FieldError,
    ImageRecord,
    read_annotation,
    read_category,
    read_image,
)
from lightning_nas.tasks.images.problems import DataError, Problems
from lightning_nas.tasks.images.reading import decoded_size, is_sideways


class CocoError(DataError):
    """Annotations or images that cannot be used; the text names the file and the annotation."""


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
        CocoError: If the file is no COCO file, a field is of the wrong type or out of range, an image is missing or does not
            decode, a box has no area (see :data:`~lightning_nas.tasks.detection.coco_fields.LEAST_SIDE`) or lies outside
            its image, a category or image is unknown, or nothing is left. It names the file and the annotation.
    """
    if not annotations.is_file():
        raise MissingFileError(f"{annotations}: there is no such annotation file")
    if not images.is_dir():
        raise MissingFileError(f"{images}: there is no such folder of images (annotations: {annotations})")
    data = _load(annotations)
    problems = Problems(annotations, CocoError, skip_invalid)
    try:
        categories = _categories(data["categories"])
        records = _records(data["images"])
    except FieldError as error:
        raise CocoError(f"{annotations}: {error}") from None
    index = {category.id: position for position, category in enumerate(categories)}
    usable = _usable_images(list(records.values()), images, problems, decode)
    objects: dict[int, list[Annotation]] = {image_id: [] for image_id in usable}
    seen: set[int | str] = set()
    for entry in data["annotations"]:
        found = read_annotation(entry, records, index, seen, problems)
        if found is not None and found.image_id in objects:
            objects[found.image_id].append(found)
    problems.warn()
    if not usable:
        raise CocoError(f"{annotations}: no usable image; expected at least one")
    if not any(objects.values()):
        raise CocoError(f"{annotations}: no usable annotation on any of {len(usable)} images; expected at least one")
    split = tuple(
        CocoImage(number, path, records[number].height, records[number].width, _objects(objects[number]))
        for number, path in usable.items()
    )
    return CocoSplit(annotations, split, categories)


def with_categories(split: CocoSplit, categories: Sequence[Category], source: Path) -> CocoSplit:
    """A split whose objects are numbered by the categories of another file, of which its own are all or some.

    Args:
        split: The split.
        categories: Of the other file.
        source: The other file, for messages.

    Raises:
        CocoError: If the split has a category that the other file lacks: it names all of them.
    """
    foreign = [category for category in split.categories if category not in categories]
    if foreign:
        listed = ", ".join(f"{category.id} {category.name!r}" for category in foreign)
        raise CocoError(
            f"{split.file}: the categories {listed} are not in {source}; there are "
            + ", ".join(f"{category.id} {category.name!r}" for category in categories)
        )
    place = {category: position for position, category in enumerate(categories)}
    index = np.array([place[category] for category in split.categories], dtype=np.int64)
    images = tuple(
        dataclasses.replace(
            image, objects=dataclasses.replace(image.objects, categories=index[image.objects.categories])
        )
        for image in split.images
    )
    return CocoSplit(split.file, images, tuple(categories))


def _load(file: Path) -> Mapping[str, Any]:
    try:
        data = parse_json(decode_text(file.read_bytes()))
    except ValueError as error:
        raise CocoError(f"{file}: not valid JSON: {error}") from None
    lists = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in lists):
        raise CocoError(f"{file}: expected a COCO file, an object with the lists {', '.join(lists)}")
    if not data["images"]:
        raise CocoError(f"{file}: the data set is empty: no images")
    return data


def _categories(entries: Sequence[Any]) -> tuple[Category, ...]:
    categories = sorted(map(read_category, entries), key=lambda category: category.id)
    if not categories or len({category.id for category in categories}) != len(categories):
        raise FieldError(f"expected categories with different ids, got {[category.id for category in categories]}")
    return tuple(categories)


def _records(entries: Sequence[Any]) -> dict[int, ImageRecord]:
    records: dict[int, ImageRecord] = {}
    for record in map(read_image, entries):
        if record.id in records:
            raise FieldError(f"image id {record.id} occurs twice")
        records[record.id] = record
    return records


def _usable_images(records: Sequence[ImageRecord], folder: Path, problems: Problems, decode: bool) -> dict[int, Path]:
    """Id and file of the images that exist and, if asked for, decode to the size that their record says."""
    paths = [_file(folder, record.file_name) for record in records]

    def fault(record: ImageRecord, path: Path | None) -> tuple[str, str] | None:
        if path is None:
            return "image missing", f"image {record.id}: {folder / record.file_name} does not exist"
        if not decode:
            return None
        try:
            size = decoded_size(path)
        except ValueError as error:
            return "image does not decode", f"image {record.id}: {error}"
        if size != (record.height, record.width):
            text = f"image {record.id}: {path} is {size[0]} x {size[1]}, annotated {record.height} x {record.width}"
            turned = size == (record.width, record.height) and is_sideways(path)
            why = ": its EXIF orientation turns it, and the annotation takes it as it is stored" if turned else ""
            return "image of other size", text + why
        return None

    usable = {}
    with ThreadPoolExecutor() as pool:
        faults = track(pool.map(fault, records, paths), f"checking {folder.name}", len(records), transient=True)
        for record, path, found in zip(records, paths, faults, strict=True):
            if found is not None:
                problems.note(*found)
            elif path is not None:
                usable[record.id] = path
    return usable


def _file(folder: Path, name: str) -> Path | None:
    """The file of an image, also where a program of Windows has written its place; None if there is none."""
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        try:
            if (folder / spelling).is_file():
                return folder / spelling
        except OSError:  # a name that is too long
            return None
    return None


def _objects(found: Sequence[Annotation]) -> Objects:
    return Objects(
        np.array([entry.box for entry in found], dtype=np.float32).reshape(-1, 4),
        np.array([entry.category for entry in found], dtype=np.int64),
        np.array([entry.area for entry in found], dtype=np.float32),
        np.array([entry.crowd for entry in found], dtype=bool),
    )
