"""The fields of COCO's annotation files: of which type each is, and from where to where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

from lightning_nas.tasks.images.problems import Problems

LARGEST = 2**63 - 1
"""No id is larger: they become tensors."""

ROUNDING = 1.0
"""Pixels by which a box may stick out of its image before it counts as outside; it is clipped."""

LEAST_SIDE = 0.01
"""Pixels that a box must be wide and high: fewer cannot be told from none in single precision, on a large image."""

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxdict = 6


class FieldError(ValueError):
    """A field of the wrong type or out of range; the text names it and its value."""


@dataclass(frozen=True)
class ImageRecord:
    """What the file says of an image."""

    id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class Category:
    """A class of objects: its id in the file, which need not be contiguous, and its name."""

    id: int
    name: str


@dataclass(frozen=True)
class Annotation:
    """An object: its image, the index of its category, box as left, top, right, bottom, area, whether it is a group."""

    image_id: int
    category: int
    box: tuple[float, float, float, float]
    area: float
    crowd: bool


def shown(value: Any) -> str:
    """A value in a message; long ones are cut short."""
    return _SHORT.repr(value)


def read_category(entry: Any) -> Category:
    """Checks a category.

    Raises:
        FieldError: Naming the field.
    """
    fields = _fields(entry, "category", "id", "name")
    number = _whole(fields, "id", "category id")
    return Category(number, _text(fields, "name", f"category {number}: name"))


def read_image(entry: Any) -> ImageRecord:
    """Checks the record of an image.

    Raises:
        FieldError: Naming the field.
    """
    fields = _fields(entry, "image", "id", "file_name", "height", "width")
    number = _whole(fields, "id", "image id")
    sides = [_whole(fields, side, f"image {number}: {side}", least=1) for side in ("height", "width")]
    return ImageRecord(number, _text(fields, "file_name", f"image {number}: file_name"), *sides)


def read_annotation(
    entry: Any,
    records: Mapping[int, ImageRecord],
    index: Mapping[int, int],
    seen: set[int | str],
    problems: Problems,
) -> Annotation | None:
    """Checks an annotation.

    Args:
        entry: What the file holds.
        records: The images.
        index: Category id -> its index.
        seen: The ids so far; that of the annotation is added.
        problems: Where faults go.

    Returns:
        The annotation, or None if it is left out.
    """
    name = f"annotation {shown(entry.get('id') if isinstance(entry, dict) else entry)}"
    missing = [
        key for key in ("id", "image_id", "category_id", "bbox") if not isinstance(entry, dict) or key not in entry
    ]
    if missing:
        return problems.note("incomplete", f"{name}: lacks {missing}")
    number = entry["id"]
    if isinstance(number, bool) or not isinstance(number, int | str):
        return problems.note("malformed id", f"{name}: expected a whole number or a text as its id")
    if number in seen:
        return problems.note("repeated id", f"{name}: the id occurs twice")
    seen.add(number)
    try:
        image_id = _whole(entry, "image_id", "image_id")
        category_id = _whole(entry, "category_id", "category_id")
    except FieldError as error:
        return problems.note("malformed id", f"{name}: {error}")
    if image_id not in records:
        return problems.note("unknown image", f"{name}: there is no image with id {image_id}")
    if category_id not in index:
        return problems.note(
            "unknown category", f"{name}: category {category_id} is unknown; known are {shown(sorted(index))}"
        )
    record = records[image_id]
    box = _box(entry["bbox"], record, name, problems)
    if box is None:
        return None
    try:
        area = _area(entry.get("area"), box, record)
        crowd = _crowd(entry.get("iscrowd"))
    except FieldError as error:
        return problems.note("malformed area or iscrowd", f"{name}: {error}")
    return Annotation(image_id, index[category_id], box, area, crowd)


def _box(value: Any, record: ImageRecord, name: str, problems: Problems) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom within the image."""
    numbers = [_number(n) for n in value] if isinstance(value, list) and len(value) == 4 else []
    if len(numbers) != 4 or None in numbers:
        return problems.note(
            "malformed box", f"{name}: bbox must be [x, y, width, height] of finite numbers, got {shown(value)}"
        )
    left, top, width, height = (n for n in numbers if n is not None)
    if width <= 0 or height <= 0:
        return problems.note("box without area", f"{name}: bbox {value} has no area")
    if min(width, height) < LEAST_SIDE:
        return problems.note(
            "box without area", f"{name}: bbox {value} has no area, since it is narrower than {LEAST_SIDE} pixels"
        )
    right, bottom = left + width, top + height
    limits = (record.width, record.height)
    if left < -ROUNDING or top < -ROUNDING or right > limits[0] + ROUNDING or bottom > limits[1] + ROUNDING:
        return problems.note(
            "box outside", f"{name}: bbox {value} lies outside of its image, {limits[0]} x {limits[1]} (width x height)"
        )
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, limits[0]), min(bottom, limits[1])
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        return problems.note("box outside", f"{name}: bbox {value} lies outside of its image")
    return left, top, right, bottom


def _area(value: Any, box: tuple[float, float, float, float], record: ImageRecord) -> float:
    """The area of the object; that of its box where the file has none, null or 0."""
    number = 0.0 if value is None else _number(value)
    most = (record.width + ROUNDING) * (record.height + ROUNDING)
    if number is None or not 0 <= number <= most:
        raise FieldError(
            f"area = {shown(value)}: expected a number from 0 to the {record.width} x {record.height} pixels of its image, or "
            "null for the area of the box"
        )
    return number or (box[2] - box[0]) * (box[3] - box[1])


def _crowd(value: Any) -> bool:
    """Whether it is a group; no, where the file does not say."""
    if value is None:
        return False
    if not isinstance(value, int | float) or value not in (0, 1):
        raise FieldError(f"iscrowd = {_typed(value)}, expected 0 or 1")
    return bool(value)


def _fields(entry: Any, what: str, *keys: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict) or any(key not in entry for key in keys):
        raise FieldError(f"expected {what} records with {', '.join(map(repr, keys))}, got {shown(entry)}")
    return entry


def _whole(fields: Mapping[str, Any], key: str, name: str, least: int = -LARGEST) -> int:
    value = fields[key]
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise FieldError(f"{name} = {_typed(value)}, expected a whole number")
    if not least <= value <= LARGEST:
        raise FieldError(f"{name} = {shown(value)}: expected a whole number from {least} to {LARGEST}")
    return int(value)


def _text(fields: Mapping[str, Any], key: str, name: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise FieldError(f"{name} = {_typed(value)}, expected a text")
    half_characters = any("\ud800" <= character <= "\udfff" for character in value)
    if not value.strip() or min(value) < " " or half_characters:
        raise FieldError(f"{name} = {shown(value)}: expected a text without control characters")
    return value


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _typed(value: Any) -> str:
    kinds = {str: "text", bool: "true or false", type(None): "null", list: "a list", dict: "an object"}
    kind = kinds.get(type(value))
    return f"{shown(value)} is {kind}" if kind else shown(value)
