"""The NASNet search space, and its restriction to the operations of AmoebaNet.

Sources: Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition", arXiv 1707.07012; Real et
al. 2019, "Regularized Evolution for Image Classifier Architecture Search", arXiv 1802.01548.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.cells.decisions import CELL_TYPES, SIDES, NodeGenes, Stem
from lightning_nas.spaces.cells.picture import TITLES, picture_of_cell
from lightning_nas.spaces.checks import (
    check_even,
    check_one_of,
    check_operations,
    check_switches,
    check_whole,
    is_whole,
)
from lightning_nas.spaces.pictures.picture import Picture, Probabilities

NASNET_OPS = (
    "skip_connect",
    "bottleneck_1x3_3x1",
    "bottleneck_1x7_7x1",
    "bottleneck_dil_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "nor_conv_1x1",
    "bottleneck_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
AMOEBANET_OPS = (
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "bottleneck_dil_3x3",
    "bottleneck_1x7_7x1",
)


@dataclass(frozen=True)
class NasNet(SearchSpace):
    """Cells of the NASNet family: blocks that add two operations on earlier states, in the macro network of DARTS.

    Decisions, per cell type and block ``n``: ``normal.n.input0`` and ``normal.n.op0``, a state and the operation on it, and
    ``normal.n.input1``, ``normal.n.op1``, the same for the second one. States 0 and 1 are the outputs of the cell before the
    previous one and of the previous cell, 2 is the first block. Both operations of a block may read the same state.

    A cell concatenates the states that none of its blocks reads, its inputs among them; so the channels of a found
    network depend on its choices.

    The candidates compute what they do in the released code of AmoebaNet, see
    :mod:`lightning_nas.ops.candidates.nasnet`, but for an identity with stride 2: here it is a factorized reduction, there a
    1x1 convolution of as many parameters. Operations of the DARTS family, ``conv_7x1_1x7`` and ``dil_conv_3x3`` among them,
    may be candidates too, and are then that family's.

    Changing one decision, each with equal probability, is the mutation of AmoebaNet (section 3.2 of Real et al.): a cell
    type, then an input or an operation, then a block, then one of its sides, each uniformly. Its identity mutation is the
    strategy's.

    Args:
        channels: Channels of the first cells.
        cells: Number of cells, of which two are reductions: ``3 N + 2`` for N normal cells per resolution.
        stem: Stride before the first cell: ``"cifar"`` 1, ``"stride2"``, ``"stride4"``, ``"imagenet"`` 8.
        in_channels: Channels of the image.
        ops: Candidate operations.
        blocks: Blocks per cell.
        normal_concat: States that every normal cell concatenates, whatever is read: hand-written ones, like NASNet-A's,
            are other than the rule's. None for the rule.
        reduce_concat: The same for reduction cells.
        supernet_affine: Whether BatchNorm in the supernet's cells has a learnable scale and shift; that of found networks
            has.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = NasNet()
        >>> space.options("normal.4.input0", {})
        [0, 1, 2, 3]
    """

    name: ClassVar[str] = "nasnet"
    levels_follow_choices: ClassVar[bool] = True
    closed: ClassVar[bool] = False  # whether a 1x1 convolution closes every cell, see nasnet_cells.Outcome

    channels: int = 32
    cells: int = 8
    stem: Stem = "cifar"
    in_channels: int = 3
    ops: tuple[str, ...] = NASNET_OPS
    blocks: int = 5
    normal_concat: tuple[int, ...] | None = None
    reduce_concat: tuple[int, ...] | None = None
    supernet_affine: bool = False

    def __post_init__(self) -> None:
        check_operations(self, without=("none",), because="a block always adds two operations")
        check_whole(self, channels=(2, 4096), cells=(1, 512), in_channels=(1, 4096), blocks=(1, 16))
        check_even(self, "channels", "reductions split them")
        check_one_of(self, stem=get_args(Stem))
        check_switches(self, "supernet_affine")
        for argument in ("normal_concat", "reduce_concat"):
            self._check_concat(argument)

    def _check_concat(self, argument: str) -> None:
        value = getattr(self, argument)
        if value is None:
            return
        states = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
        last = self.blocks + 1
        whole = all(is_whole(state, 0, last) for state in states)
        if not states or not whole or states != sorted(set(states)):
            raise ArgumentError(f"{argument} must be null or a rising list of states from 0 to {last}, got {value!r}")
        object.__setattr__(self, argument, tuple(states))

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Two inputs and two operations of every block of both cell types, in the order of the papers' controllers."""
        return tuple(
            f"{cell}.{block}.{what}{side}"
            for cell in CELL_TYPES
            for block in range(2, self.blocks + 2)
            for what in ("input", "op")
            for side in SIDES
        )

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """The earlier states for an input, all operations otherwise; nothing depends on other decisions."""
        _, block, what = name.split(".")
        return list(range(int(block))) if what.startswith("input") else list(self.ops)

    def genes(self, choices: Choices, cell: str) -> list[NodeGenes]:
        """The two operations of every block of a cell type, each with the state that it reads."""
        blocks: list[NodeGenes] = []
        for block in range(2, self.blocks + 2):
            first, second = (
                (str(choices[f"{cell}.{block}.op{side}"]), int(choices[f"{cell}.{block}.input{side}"]))
                for side in SIDES
            )
            blocks.append((first, second))
        return blocks

    def from_genes(self, cells: Mapping[str, Sequence[NodeGenes]]) -> dict[str, Option]:
        """Choices from the genes of both cell types.

        Raises:
            ArchitectureError: If they are not an architecture of this space.
        """
        choices: dict[str, Option] = {}
        for cell in CELL_TYPES:
            for block, pair in enumerate(cells[cell], start=2):
                for side, (op, source) in enumerate(pair):
                    choices[f"{cell}.{block}.input{side}"] = source
                    choices[f"{cell}.{block}.op{side}"] = op
        self.validate(choices)
        return {name: choices[name] for name in self.decisions}

    def kept(self, choices: Choices, cell: str) -> tuple[int, ...]:
        """The states that a cell concatenates."""
        fixed = self.fixed_concat(cell)
        if fixed is not None:
            return fixed
        read = {source for pair in self.genes(choices, cell) for _, source in pair}
        return tuple(state for state in range(self.blocks + 2) if state not in read)

    def fixed_concat(self, cell: str) -> tuple[int, ...] | None:
        """The states that all cells of a type concatenate, None if that follows from what is read."""
        return self.normal_concat if cell == "normal" else self.reduce_concat

    def canonical(self, choices: Choices) -> str:
        """A text in which the order of the two operations of a block does not show."""
        cells = []
        for cell in CELL_TYPES:
            blocks = ["+".join(f"{op}({source})" for op, source in sorted(pair)) for pair in self.genes(choices, cell)]
            cells.append(f"{cell}: {', '.join(blocks)}")
        return "; ".join(cells)

    # ---- pictures -----------------------------------------------------------------------------------------------

    def pictures(
        self, choices: Choices, probabilities: Probabilities | None = None, *, part: str = ""
    ) -> list[Picture]:
        """Both cells, with the states that they concatenate."""
        return [
            picture_of_cell(TITLES[cell], self.genes(choices, cell), cell, kept=self.kept(choices, cell))
            for cell in CELL_TYPES
        ]


@dataclass(frozen=True)
class AmoebaNet(NasNet):
    """The NASNet space with the operations of AmoebaNet, in the size of its search; records call it ``nasnet``, too.

    Source: Real et al. 2019, arXiv 1802.01548: three normal cells per resolution, 24 channels.

    Args:
        channels: Channels of the first cells.
        cells: Number of cells, of which two are reductions.
        ops: Candidate operations.

    Example:
        >>> len(AmoebaNet().ops)
        8
    """

    channels: int = 24
    cells: int = 11
    ops: tuple[str, ...] = AMOEBANET_OPS
