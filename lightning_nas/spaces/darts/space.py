"""The DARTS search space: two cell types of four nodes, two operations per node.

Source: Liu, Simonyan, Yang 2019, "DARTS: Differentiable Architecture Search", arXiv 1806.09055.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.cells.decisions import (
    CELL_TYPES,
    Gene,
    Stem,
    cell_decisions,
    cell_options,
    choices_of,
    genes_of,
)
from lightning_nas.spaces.cells.path_encoding import path_bits, path_count, path_number
from lightning_nas.spaces.cells.picture import TITLES, names_of_cell_edges, picture_of_cell
from lightning_nas.spaces.checks import check_even, check_one_of, check_operations, check_switches, check_whole
from lightning_nas.spaces.pictures.picture import Picture, Probabilities

DARTS_OPS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


@dataclass(frozen=True)
class Darts(SearchSpace):
    """Cells of the DARTS family.

    Decisions, per cell type and node ``n``: ``normal.n.inputs``, a pair of states such as ``"0+1"`` (0 and 1 are the
    cell's inputs, 2 the first node), and ``normal.n.op0``, ``normal.n.op1``, the operations on them.

    Args:
        channels: Channels of the first cells (16 to search, 36 to retrain on CIFAR, 48 on ImageNet).
        cells: Number of cells (8, 20, 14).
        stem: Stride before the first cell: ``"cifar"`` 1, ``"stride2"``, ``"stride4"``, ``"imagenet"`` 8. That of the last map
            is four times as large: for dense prediction at output stride 8 or 16 there are ``"stride2"`` and ``"stride4"``.
        in_channels: Channels of the image.
        ops: Candidate operations; ``none`` takes part in the search and is never chosen.
        steps: Nodes per cell.
        same_input: Whether both operations of a node may read the same state: the decoding rule of GDAS (Dong, Yang
            2019, arXiv 1910.04465), which ranks (state, operation) pairs; otherwise DARTS' rule, which ranks states.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = Darts(channels=16, cells=8)
        >>> space.decisions[:2], space.size()
        (('normal.2.inputs', 'normal.2.op0'), 1076746950455072400)
    """

    name: ClassVar[str] = "darts"

    channels: int = 16
    cells: int = 8
    stem: Stem = "cifar"
    in_channels: int = 3
    ops: tuple[str, ...] = DARTS_OPS
    steps: int = 4
    same_input: bool = False

    def __post_init__(self) -> None:
        check_operations(self)
        check_whole(self, channels=(2, 4096), cells=(1, 512), in_channels=(1, 4096), steps=(1, 16))
        check_even(self, "channels", "reductions split them")
        check_switches(self, "same_input")
        check_one_of(self, stem=get_args(Stem))

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Inputs and operations of every node of both cell types."""
        return tuple(name for cell in CELL_TYPES for name in cell_decisions(cell, self.steps))

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """Pairs of states for ``inputs``, operations but ``none`` otherwise; nothing depends on other decisions."""
        return cell_options(name, self.ops, same_input=self.same_input)

    def genes(self, choices: Choices, cell: str) -> list[tuple[Gene, Gene]]:
        """The operations and sources of every node of a cell type."""
        return genes_of(choices, cell, self.steps)

    def from_genes(self, cells: Mapping[str, Sequence[tuple[Gene, Gene]]]) -> dict[str, Option]:
        """Choices from the genes of both cell types; the order of the two genes of a node does not matter.

        Raises:
            ArchitectureError: If they are not an architecture of this space.
        """
        choices = {name: option for cell in CELL_TYPES for name, option in choices_of(cells[cell], cell).items()}
        self.validate(choices)
        return choices

    def path_encode(self, choices: Choices, *, bits: int | None = None) -> Tensor:
        """One bit per sequence of operations from one of the two inputs of a cell type to one of its nodes.

        All nodes are outputs, since they are concatenated. With 4 nodes and 7 operations: 4 · (7 + 49 + 343 + 2401).

        Args:
            choices: One architecture.
            bits: Keep so many of the shortest paths; None: all.
        """
        index = {name: position for position, name in enumerate(op for op in self.ops if op != "none")}
        starts = 2 * len(CELL_TYPES)
        numbers: set[int] = set()
        for position, cell in enumerate(CELL_TYPES):
            paths: list[set[tuple[int, ...]]] = [{(2 * position,)}, {(2 * position + 1,)}]  # start, then operations
            for pair in self.genes(choices, cell):
                paths.append({(*path, index[op]) for op, source in pair for path in paths[source]})
            for reached in paths[2:]:
                numbers.update(path_number(ops, len(index), start=start, starts=starts) for start, *ops in reached)
        return path_bits(numbers, path_count(self.steps, len(index), starts=starts), bits)

    # ---- pictures -----------------------------------------------------------------------------------------------

    def pictures(
        self, choices: Choices, probabilities: Probabilities | None = None, *, part: str = ""
    ) -> list[Picture]:
        """Both cells."""
        return [picture_of_cell(TITLES[cell], self.genes(choices, cell), cell) for cell in CELL_TYPES]

    def edge_names(self, group: str) -> list[str]:
        """A label per edge of a cell: ``source → node``."""
        return names_of_cell_edges(self.steps)
