"""How much of a training is done when it is cut short, and how much there would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """How much of a training is done.

    Args:
        train: Batches of an epoch.
        val: Batches of a validation.
        test: Batches of a test.
        epochs: Of a training.
        seconds: After which a training ends, once it has shown something.
        asked: Limits of batches that the whole trainings have, by Lightning's names.
        device: What Lightning calls ``devices``: one alone is measured.
    """

    train: int = 16
    val: int = 8
    test: int = 16
    epochs: int = 2
    seconds: float = 12.0
    asked: Mapping[str, int | float | None] = field(default_factory=dict)
    device: int | list[int] = 1


def limited(length: int, limit: int | float | None) -> int:
    """Batches that are left of so many by one of Lightning's limits.

    Example:
        >>> limited(20, None), limited(20, 5), limited(20, 0.5), limited(20, 1.0)
        (20, 5, 10, 20)
    """
    if limit is None:
        return length
    return int(length * limit) if isinstance(limit, float) else min(length, limit)


def each_loader(loaders: Any) -> list[Any]:
    """The loaders of what Lightning keeps: a list, one alone, or none."""
    return list(loaders) if isinstance(loaders, list | tuple) else [] if loaders is None else [loaders]


def length_of(loader: Any) -> int:
    """Batches of a loader; an endless one says nothing, and counts as one."""
    try:
        return len(loader)
    except TypeError:
        return 1
