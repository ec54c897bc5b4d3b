"""From the values of mask files to classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torchvision.datasets import Cityscapes

IGNORE = 255
"""Label of pixels that do not count, in every batch; mask files may use another value."""


@dataclass(frozen=True)
class LabelClass:
    """A class: its value in mask files, its name, its colour in pictures."""

    id: int
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class LabelTable:
    """The values that mask files may hold.

    Args:
        classes: Those that are learnt, in the order of their labels.
        ignored: Values of pixels that do not count.
    """

    classes: tuple[LabelClass, ...]
    ignored: frozenset[int] = frozenset({IGNORE})

    @property
    def known(self) -> frozenset[int]:
        """All values that may occur."""
        return self.ignored | {entry.id for entry in self.classes}

    def lookup(self) -> np.ndarray:
        """Value in a file -> label, ``(256,)`` of ``uint8``."""
        table = np.full(256, IGNORE, np.uint8)
        for label, entry in enumerate(self.classes):
            table[entry.id] = label
        return table

    def unknown(self, values: Sequence[int]) -> list[int]:
        """Those of some values that are not known."""
        return sorted(set(values) - self.known)


def cityscapes_table() -> LabelTable:
    """The label ids of Cityscapes (Cordts et al. 2016, arXiv 1604.01685): 19 classes, the others do not count.

    Example:
        >>> table = cityscapes_table()
        >>> [entry.name for entry in table.classes][:3], table.lookup()[[7, 33, 0]].tolist()
        (['road', 'sidewalk', 'building'], [0, 18, 255])
    """
    learnt = sorted((c for c in Cityscapes.classes if 0 <= c.train_id < IGNORE), key=lambda c: c.train_id)
    ignored = {c.id % 256 for c in Cityscapes.classes} - {c.id for c in learnt}  # 8 bits: -1 is stored as 255
    return LabelTable(tuple(LabelClass(c.id, c.name, c.color) for c in learnt), frozenset(ignored | {IGNORE}))


def numbered_table(
    num_classes: int, ignore: int, names: Sequence[str] | None, palette: Sequence[Sequence[int]]
) -> LabelTable:
    """Classes that are stored as 0, 1, 2, ..."""
    names = names or [str(index) for index in range(num_classes)]
    classes = (
        LabelClass(index, name, (hue[0], hue[1], hue[2]))
        for index, (name, hue) in enumerate(zip(names, palette, strict=True))
    )
    return LabelTable(tuple(classes), frozenset({ignore}))
