"""The NAS-FPN space: a pyramid whose levels are merged two at a time, in a searched order.

Source: Ghiasi, Lin, Le 2019, "NAS-FPN: Learning Scalable Feature Pyramid Architecture for Object Detection", arXiv
1904.07392, section 3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError, ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_whole
from lightning_nas.spaces.necks.levels import check_levels
from lightning_nas.spaces.necks.nas_fpn.picture import draw_pyramid
from lightning_nas.spaces.necks.nas_fpn.tokens import MERGE_OPS, PUBLISHED, MergingCell
from lightning_nas.spaces.pictures.picture import Picture, Probabilities

BLIND = 8
"""A finest map that was enlarged by this factor or more locates nothing: AP50 0.01 and 0.03 beside 0.17 to 0.45 of others."""


@dataclass(frozen=True)
class NasFpn(SearchSpace):
    """Merging cells, each of which joins two earlier maps at a level of the pyramid.

    The candidates begin with the levels of the backbone, finest first; the result of every cell joins them. The first
    cells are free in their level; the last ones, as many as there are levels, give every level of the result once.

    Decisions of cell ``i``, in the order in which the paper's controller takes them: ``cell{i}.a`` and ``cell{i}.b``,
    two different candidates; ``cell{i}.level``; ``cell{i}.op``: ``sum``, or ``attention`` (global pooling).

    Args:
        channels: Width of all maps.
        cells: Merging cells, from 3 to 7 and at least as many as there are levels.
        repeats: Stacks of the cells, one after the other: the result of one feeds the next.
        min_level: The finest level; level ``l`` has stride ``2 ** l``.
        max_level: The coarsest level; levels that the backbone lacks are pooled from its last map.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = NasFpn(cells=5)
        >>> space.decisions[:3]
        ('cell0.a', 'cell0.b', 'cell0.level')
    """

    name: ClassVar[str] = "nas_fpn"
    role: ClassVar[str] = "neck"

    channels: int = 256
    cells: int = 7
    repeats: int = 7
    min_level: int = 3
    max_level: int = 7

    def __post_init__(self) -> None:
        check_levels(self)
        check_whole(self, channels=(1, 4096), cells=(3, 7), repeats=(1, 64))
        if self.cells < len(self.levels):
            raise ArgumentError(
                f"cells must be at least {len(self.levels)}, because each of the levels {self.min_level} to "
                f"{self.max_level} is the result of one, got {self.cells}"
            )

    # ---- decisions ----------------------------------------------------------------------------------------------

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels of the pyramid, finest first."""
        return tuple(range(self.min_level, self.max_level + 1))

    @property
    def free_cells(self) -> int:
        """How many cells, the first ones, are free in their level."""
        return self.cells - len(self.levels)

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Four per cell."""
        return tuple(f"cell{i}.{token}" for i in range(self.cells) for token in ("a", "b", "level", "op"))

    def candidates(self, cell: int) -> int:
        """Number of maps that a cell can choose from."""
        return len(self.levels) + cell

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """Candidates (the second other than the first), levels that are still free, operations."""
        cell_name, token = name.split(".")
        cell = int(cell_name.removeprefix("cell"))
        if token == "op":
            return MERGE_OPS
        if token == "level":
            taken = {choices.get(f"cell{i}.level") for i in range(self.free_cells, cell)}
            return [level for level in self.levels if cell < self.free_cells or level not in taken]
        first = choices.get(f"{cell_name}.a") if token == "b" else None
        return [index for index in range(self.candidates(cell)) if index != first]

    def all_options(self, name: str) -> Sequence[Option]:
        """Every option, whatever was chosen before."""
        return self.options(name, {})

    def size(self) -> int:
        """Number of token sequences; with the two inputs of a cell unordered there are ``2 ** cells`` times fewer."""
        pairs = math.prod(self.candidates(i) * (self.candidates(i) - 1) for i in range(self.cells))
        levels = len(self.levels) ** self.free_cells * math.factorial(len(self.levels))
        return int(pairs * levels * len(MERGE_OPS) ** self.cells)

    # ---- tokens -------------------------------------------------------------------------------------------------

    def tokens(self, choices: Choices) -> tuple[MergingCell, ...]:
        """The cells of an architecture.

        Raises:
            ArchitectureError: If the choices are not an architecture of this space.
        """
        self.validate(choices)
        return tuple(
            MergingCell(*(choices[f"cell{i}.{token}"] for token in MergingCell._fields))  # type: ignore[arg-type]
            for i in range(self.cells)
        )

    def from_tokens(self, cells: Sequence[Sequence[Option]]) -> dict[str, Option]:
        """The architecture of a token sequence, e.g. of :data:`PUBLISHED`: per cell ``(a, b, level, op)``.

        Raises:
            ArchitectureError: If it is not one of this space.
        """
        if len(cells) != self.cells or any(len(cell) != len(MergingCell._fields) for cell in cells):
            raise ArchitectureError(f"cells must be {self.cells} times (a, b, level, op), got {cells!r}")
        choices = {
            f"cell{i}.{token}": value
            for i, cell in enumerate(cells)
            for token, value in zip(MergingCell._fields, cell, strict=True)
        }
        self.validate(choices)
        return choices

    def published_choices(self) -> dict[str, Option]:
        """The neck that the paper found, which has seven cells for the levels 3 to 7.

        Raises:
            ArchitectureError: If this space has others.
        """
        return self.from_tokens(PUBLISHED)

    def finest_detail(self, choices: Choices) -> dict[int, int]:
        """Level of the result -> the finest level of the backbone's maps whose detail reaches it through one stack.

        A map that a coarse cell has read is pooled to the cell's size, and enlarging it again brings no detail back: what
        arrives is the finest of the maps that are read, but never finer than the cell's own level.
        """
        levels, detail, read = list(self.levels), list(self.levels), set()
        for index, cell in enumerate(self.tokens(choices)):
            sources = {cell.a, cell.b}
            read |= sources
            if index >= self.free_cells:  # takes in the maps of its level that no cell has read
                unread = {i for i, level in enumerate(levels) if level == cell.level and i not in read}
                sources |= unread
                read |= unread
            detail.append(max(cell.level, min(detail[source] for source in sources)))
            levels.append(cell.level)
        first = len(self.levels) + self.free_cells
        return dict(sorted(zip(levels[first:], detail[first:], strict=True)))

    def defect(self, choices: Choices) -> str | None:
        """A finest map that was enlarged from one at least :data:`BLIND` times coarser: small objects cannot be located."""
        finest = self.finest_detail(choices)[self.min_level]
        if 2 ** (finest - self.min_level) < BLIND:
            return None
        return (
            f"the map of level {self.min_level} is enlarged from level {finest}: it shows the image in steps of "
            f"{2**finest} pixels"
        )

    # ---- networks -----------------------------------------------------------------------------------------------

    @cached_property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """The levels of the last cells, in every possible order."""
        return tuple(itertools.permutations(self.levels))

    def pairs(self, cell: int) -> tuple[tuple[int, int], ...]:
        """The pairs of candidates that a cell can join."""
        return tuple(itertools.permutations(range(self.candidates(cell)), 2))

    # ---- pictures -----------------------------------------------------------------------------------------------

    def pictures(
        self, choices: Choices, probabilities: Probabilities | None = None, *, part: str = ""
    ) -> list[Picture]:
        """The neck as a graph over the levels of the pyramid."""
        title = f"Neck: {self.cells} merging cells" + (f", {self.repeats} stacks" if self.repeats > 1 else "")
        return [Picture(title, draw_pyramid(title, self.levels, self.tokens(choices)), ())]

    def option_names(self, group: str) -> tuple[str, ...]:
        """Operations, levels, orders of levels, or pairs of candidates."""
        if group == "op":
            return MERGE_OPS
        if group == "level":
            return tuple(f"P{level}" for level in self.levels)
        if group == "order":
            return tuple(" ".join(map(str, order)) for order in self.orders)
        return tuple(f"{a} and {b}" for a, b in self.pairs(int(group.removeprefix("pair"))))
