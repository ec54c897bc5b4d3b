"""The space of GAS: a row of small cells, each with an architecture of its own.

Source: Lin et al. 2020, "Graph-guided Architecture Search for Real-time Semantic Segmentation", arXiv 1909.06793, section
3. Where the paper leaves a choice, this is what we made of it: cells of the DARTS kind with two nodes, a stem to stride 4,
two reductions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.cells.decisions import (
    NodeGenes,
    cell_decisions,
    cell_options,
    genes_of,
)
from lightning_nas.spaces.cells.picture import names_of_cell_edges, picture_of_cell
from lightning_nas.spaces.checks import check_even, check_operations, check_switches, check_whole
from lightning_nas.spaces.pictures.picture import Picture, Probabilities

GAS_OPS = (
    "none",
    "max_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "dil_conv_3x3",
    "dil_conv_3x3_r4",
    "dil_conv_3x3_r8",
)


@dataclass(frozen=True)
class Gas(SearchSpace):
    """Cells with two inputs, each of which is searched by itself.

    Decisions of cell ``k`` and node ``n``: ``cell{k}.n.inputs``, a pair of states such as ``"0+1"`` (0 and 1 are the cell's
    inputs, 2 the first node), and ``cell{k}.n.op0``, ``cell{k}.n.op1``, the operations on them, ``none`` among them.

    Args:
        channels: Channels of the first cells.
        cells: Number of cells; those after a third and two thirds halve the resolution and double the channels.
        steps: Nodes per cell.
        in_channels: Channels of the image.
        ops: Candidate operations.
        guided: Whether the logits of a cell are guided by those of the cell before it, by a graph convolution, while
            searching; the found networks are of the same kind.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = Gas(cells=3)
        >>> len(space.decisions)
        18
    """

    name: ClassVar[str] = "gas"

    channels: int = 8
    cells: int = 14
    steps: int = 2
    in_channels: int = 3
    ops: tuple[str, ...] = GAS_OPS
    guided: bool = True

    def __post_init__(self) -> None:
        check_operations(self)
        check_whole(self, channels=(2, 4096), cells=(1, 512), steps=(1, 16), in_channels=(1, 4096))
        check_even(self, "channels", "reductions split them")
        check_switches(self, "guided")

    @property
    def groups(self) -> tuple[str, ...]:
        """Name of every cell, in its decisions and its logits."""
        return tuple(f"cell{index}" for index in range(self.cells))

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Inputs and operations of every node of every cell."""
        return tuple(name for cell in self.groups for name in cell_decisions(cell, self.steps))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """Pairs of states for ``inputs``, all operations otherwise; nothing depends on other decisions."""
        return cell_options(name, self.ops, with_none=True)

    def genes(self, choices: Choices, cell: str) -> list[NodeGenes]:
        """The operations and sources of every node of a cell."""
        return genes_of(choices, cell, self.steps)

    def size(self) -> int:
        """Number of architectures."""
        pairs = math.prod(math.comb(node, 2) for node in range(2, self.steps + 2))
        return int((pairs * len(self.ops) ** (2 * self.steps)) ** self.cells)

    # ---- pictures -----------------------------------------------------------------------------------------------

    def pictures(
        self, choices: Choices, probabilities: Probabilities | None = None, *, part: str = ""
    ) -> list[Picture]:
        """Every cell, each of which has its own architecture."""
        drawn = []
        for index, cell in enumerate(self.groups):
            picture = picture_of_cell(f"Cell {index}", self.genes(choices, cell), "")
            drawn.append(replace(picture, operations=()))  # too many cells to count the operations of each
        return drawn

    def edge_names(self, group: str) -> list[str]:
        """A label per edge of a cell: ``source → node``."""
        return names_of_cell_edges(self.steps)
