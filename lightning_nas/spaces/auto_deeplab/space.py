"""The two-level space of Auto-DeepLab: a cell, and a path of resolutions through which it is repeated.

Source: Liu et al. 2019, "Auto-DeepLab: Hierarchical Neural Architecture Search for Semantic Image Segmentation", arXiv
1901.02985, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces.auto_deeplab.picture import draw_trellis
from lightning_nas.spaces.auto_deeplab.trellis import LEVELS, TRANSITIONS, Trellis
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.cells.decisions import (
    NodeGenes,
    cell_decisions,
    cell_options,
    choices_of,
    genes_of,
)
from lightning_nas.spaces.cells.picture import names_of_cell_edges, picture_of_cell
from lightning_nas.spaces.checks import check_even, check_operations, check_switches, check_whole
from lightning_nas.spaces.pictures.picture import Picture, Probabilities

AUTO_DEEPLAB_OPS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "atrous_conv_3x3",
    "atrous_conv_5x5",
)
CELL = "cell"


@dataclass(frozen=True)
class AutoDeepLab(SearchSpace):
    """A stem to stride 4, then layers of one cell whose resolution (stride 4 to 32) is searched layer by layer.

    Decisions: ``level.{l}``, the level of layer ``l`` (stride ``4 * 2 ** level``), at most one from that of the layer
    before; ``cell.{n}.inputs``, a pair of states such as ``"0+1"`` (0 is the output of the layer before the last, 1 that of
    the last, 2 the first node), and ``cell.{n}.op0``, ``cell.{n}.op1``, the operations on them.

    A found network returns two maps, one of stride 4 for a decoder and the last; its supernet returns the last map of every
    level.

    Args:
        channels: Channels of a node at stride 4, doubled at every level (8 to search; 20, 32 or 48 to retrain).
        layers: Number of layers.
        blocks: Nodes of the cell.
        stem_channels: Channels of the first convolutions; the last one of the stem has twice as many.
        in_channels: Channels of the image.
        ops: Candidate operations; ``none`` takes part in the search and is never chosen.
        free_start: Whether the first layer may already lie at stride 8. With 12 layers there are 75,025 paths then,
            and without the 28,657 of the paper.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = AutoDeepLab(channels=2, layers=4)
        >>> len(space.decisions)
        18
    """

    name: ClassVar[str] = "auto_deeplab"
    levels_follow_choices: ClassVar[bool] = True

    channels: int = 8
    layers: int = 12
    blocks: int = 5
    stem_channels: int = 64
    in_channels: int = 3
    ops: tuple[str, ...] = AUTO_DEEPLAB_OPS
    free_start: bool = False

    def __post_init__(self) -> None:
        check_operations(self)
        check_whole(
            self, channels=(1, 4096), layers=(2, 64), blocks=(1, 16), stem_channels=(1, 4096), in_channels=(1, 4096)
        )
        check_even(self, "channels", "skips with a stride split them")
        check_switches(self, "free_start")

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def trellis(self) -> Trellis:
        """The network level."""
        return Trellis(self.layers, self.free_start)

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """The level of every layer that has a choice, then inputs and operations of every node."""
        first = 0 if self.free_start else 1
        return (*(f"level.{layer}" for layer in range(first, self.layers)), *cell_decisions(CELL, self.blocks))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """Levels next to that of the layer before; pairs of states; operations but ``none``."""
        if not name.startswith("level."):
            return cell_options(name, self.ops)
        layer = int(name.removeprefix("level."))
        before = choices.get(f"level.{layer - 1}", 0)
        return self.trellis.next_levels(layer, before if isinstance(before, int) else 0)

    def all_options(self, name: str) -> Sequence[Option]:
        """Every option, whatever was chosen before."""
        if name.startswith("level."):
            return list(self.trellis.levels(int(name.removeprefix("level."))))
        return self.options(name, {})

    def path(self, choices: Choices) -> list[int]:
        """The level of every layer."""
        return [int(choices.get(f"level.{layer}", 0)) for layer in range(self.layers)]

    def genes(self, choices: Choices) -> list[NodeGenes]:
        """The operations and sources of every node of the cell."""
        return genes_of(choices, CELL, self.blocks)

    def size(self) -> int:
        """Number of architectures: paths times cells."""
        pairs = math.prod(math.comb(node, 2) for node in range(2, self.blocks + 2))
        return int(self.trellis.count_paths() * pairs * len(cell_options("cell.2.op0", self.ops)) ** (2 * self.blocks))

    def cells_as_published(self) -> int:
        """Number of cells as the paper counts them, 5.6e14 for five nodes and eight operations.

        There inputs and operations of a node are in order, and equal inputs and ``none`` are included.
        """
        return math.prod(node**2 * len(self.ops) ** 2 for node in range(2, self.blocks + 2))

    # ---- published notation -------------------------------------------------------------------------------------

    def from_genotype(self, cell: Sequence[Sequence[int]], path: Sequence[int]) -> dict[str, Option]:
        """The architecture of a genotype as re-implementations of the paper store it.

        Args:
            cell: Two rows ``(edge, operation)`` per node, in any order. Edges are counted node by node, sources ascending,
                the output of the layer before the last first: 0 and 1 enter the first node, 2 to 4 the second. Operations
                are counted as in ``ops``.
            path: The level of every layer, from 0.

        Raises:
            ArchitectureError: If it is not an architecture of this space.
        """
        starts = [sum(range(2, node)) for node in range(2, self.blocks + 3)]
        nodes: list[list[tuple[str, int]]] = [[] for _ in range(self.blocks)]
        for row in cell:
            if len(row) != 2 or not 0 <= int(row[0]) < starts[-1] or not 0 <= int(row[1]) < len(self.ops):
                raise ArchitectureError(
                    f"cell: rows are (edge below {starts[-1]}, operation below {len(self.ops)}), got {row!r}"
                )
            node = sum(int(row[0]) >= start for start in starts) - 1
            nodes[node].append((self.ops[int(row[1])], int(row[0]) - starts[node]))
        if any(len(genes) != 2 for genes in nodes):
            raise ArchitectureError(f"cell: two edges enter each of {self.blocks} nodes, got {cell!r}")
        if len(path) != self.layers or (not self.free_start and path[0] != 0):
            raise ArchitectureError(
                f"path: expected {self.layers} levels from 0 to {LEVELS - 1}"
                f"{'' if self.free_start else ', the first one 0'}, got {path!r}"
            )
        choices = self.from_genes(path, [(genes[0], genes[1]) for genes in nodes])
        self.validate(choices)
        return choices

    def from_genes(self, path: Sequence[int], genes: Sequence[NodeGenes]) -> dict[str, Option]:
        """Choices from the level of every layer and the genes of the cell."""
        first = 0 if self.free_start else 1
        levels: dict[str, Option] = {f"level.{layer}": int(path[layer]) for layer in range(first, self.layers)}
        return levels | choices_of(genes, CELL)

    # ---- pictures -----------------------------------------------------------------------------------------------

    def pictures(
        self, choices: Choices, probabilities: Probabilities | None = None, *, part: str = ""
    ) -> list[Picture]:
        """The path through the trellis, and the cell."""
        path = self.path(choices)
        known = probabilities if set(self.trellis.rows) <= set(probabilities or {}) else None
        title = f"Path through the strides: {', '.join(str(4 * 2**level) for level in path)}"
        return [
            Picture(title, draw_trellis(title, self.trellis, path, known), ()),
            picture_of_cell("Cell", self.genes(choices), CELL),
        ]

    def option_names(self, group: str) -> tuple[str, ...]:
        """Where a transition leads to, or the operations."""
        return TRANSITIONS[group] if group in TRANSITIONS else super().option_names(group)

    def edge_names(self, group: str) -> list[str]:
        """Where a transition begins, or ``source → node``."""
        if group in self.trellis.rows:
            return [f"layer {place.layer + 1}, 1/{4 * 2**place.level}" for place in self.trellis.rows[group]]
        return names_of_cell_edges(self.blocks)
