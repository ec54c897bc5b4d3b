"""A look at a part of many files, spread evenly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from lightning_nas.tasks.images.reading import shown_size

SAMPLE = 200


def sampled(files: Sequence[Path], count: int = SAMPLE) -> list[Path]:
    """So many of the files at most, evenly spread.

    Example:
        >>> [path.name for path in sampled([Path(str(number)) for number in range(10)], 3)]
        ['0', '3', '6']
    """
    return list(files) if len(files) <= count else [files[index * len(files) // count] for index in range(count)]


def readable_sizes(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Height and width, as they are shown, of the images among these that can be read."""
    sizes = []
    for file in files:
        try:
            sizes.append(shown_size(file))
        except (OSError, ValueError):
            continue
    return sizes


def median_sides(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Median of the shorter sides and of the longer ones; of nothing 0."""
    if not sizes:
        return (0, 0)
    return int(median(min(size) for size in sizes)), int(median(max(size) for size in sizes))
