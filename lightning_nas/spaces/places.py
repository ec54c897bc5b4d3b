"""Where the modules of a network stand, so that weights of another network of the same kind can be put into them."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where a module stands in a network that is a stem and stages of blocks.

    Args:
        reduction: Stride of its stage's output; 0 for the stem.
        number: Of the stage among those of the same stride.
        layer: Of the block in its stage.
        module: What it is, by its name in a block of the elastic space, e.g. ``expand_norm``.
    """

    reduction: int
    number: int
    layer: int
    module: str


STEM = 0
"""The reduction in the place of a module of the stem."""


def numbered(reductions: list[int]) -> list[tuple[int, int]]:
    """Of every stage its stride, and its number among the stages of that stride.

    Example:
        >>> numbered([2, 4, 8, 16, 16, 32])
        [(2, 0), (4, 0), (8, 0), (16, 0), (16, 1), (32, 0)]
    """
    return [(reduction, reductions[:stage].count(reduction)) for stage, reduction in enumerate(reductions)]
