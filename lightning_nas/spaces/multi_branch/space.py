"""The multi-branch space: residual blocks of parallel branches, as in Inception and ResNeXt.

Sources: Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv 1409.4842, and 2016, "Rethinking the Inception
Architecture", arXiv 1512.00567 (branches of several kinds); Xie et al. 2017, "Aggregated Residual Transformations", arXiv
1611.05431 (cardinality, residual connection).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.checks import check_equally_long, check_whole, lists_to_tuples

BRANCH_OPS = (
    "conv_1x1",
    "conv_3x3",
    "conv_3x3_3x3",
    "conv_1x7_7x1",
    "depthwise_3x3",
    "depthwise_5x5",
    "pool_1x1",
)
GROUPED = ("conv_3x3", "conv_3x3_3x3", "conv_1x7_7x1")
"""Those whose convolutions are grouped: the cardinality of a block is theirs."""


class BlockGenes(NamedTuple):
    """What was chosen for a block: the branches, and the groups of their grouped convolutions."""

    ops: tuple[str, ...]
    cardinality: int


@dataclass(frozen=True)
class MultiBranch(SearchSpace):
    """Stages of blocks ``relu(norm(1x1 convolution of the branches) + shortcut)``, every one searched by itself.

    Decisions of block ``b`` of stage ``s``: ``stage{s}.{b}.branches``, how many branches there are (where there is a choice);
    ``stage{s}.{b}.kind{i}``, what branch ``i`` is, inactive if there are not so many; ``stage{s}.{b}.cardinality``, the groups
    of its grouped convolutions (where there is a choice), inactive if no branch has any.

    Branches are in order, so two architectures may be the same function; :meth:`canonical` gives them the same text.

    Args:
        stem_channels: Channels after the 3x3 stem convolution.
        stem_stride: Its stride.
        widths: Channels of the blocks' output, per stage.
        branch_channels: Channels inside every branch, per stage; a multiple of all cardinalities.
        depths: Blocks of every stage.
        strides: Stride of the first block of every stage.
        branches: Numbers of branches that a block may have.
        cardinalities: Groups that its grouped convolutions may have.
        in_channels: Channels of the image.
        ops: What a branch may be.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> space = MultiBranch()
        >>> space.decisions[:2]
        ('stage0.0.branches', 'stage0.0.kind0')
    """

    name: ClassVar[str] = "multi_branch"

    stem_channels: int = 32
    stem_stride: int = 2
    widths: tuple[int, ...] = (64, 128, 256, 512)
    branch_channels: tuple[int, ...] = (16, 32, 64, 128)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    strides: tuple[int, ...] = (2, 2, 2, 2)
    branches: tuple[int, ...] = (1, 2, 3, 4)
    cardinalities: tuple[int, ...] = (1, 2, 4, 8)
    in_channels: int = 3
    ops: tuple[str, ...] = BRANCH_OPS

    def __post_init__(self) -> None:
        lists_to_tuples(self, "widths", "branch_channels", "depths", "strides", "branches", "cardinalities", "ops")
        check_equally_long(self, "widths", "branch_channels", "depths", "strides")
        check_whole(
            self,
            stem_channels=(1, 4096),
            stem_stride=(1, 2),
            widths=(1, 8192),
            branch_channels=(1, 8192),
            depths=(1, 64),
            strides=(1, 2),
            branches=(1, 32),
            cardinalities=(1, 8192),
            in_channels=(1, 4096),
        )
        for argument in ("branches", "cardinalities"):
            value = getattr(self, argument)
            if not value or list(value) != sorted(set(value)):
                raise ArgumentError(f"{argument} must be ascending without repeats and not empty, got {value!r}")
        if not self.ops or len(set(self.ops)) != len(self.ops) or not set(self.ops) <= set(BRANCH_OPS):
            raise ArgumentError(f"ops must be of {list(BRANCH_OPS)} without repeats, got {self.ops!r}")
        for channels in self.branch_channels:
            if any(channels % cardinality for cardinality in self.cardinalities):
                raise ArgumentError(
                    f"branch_channels must be multiples of all cardinalities {self.cardinalities!r}, got {channels}"
                )
        if not self.decisions:
            raise ArgumentError(
                f"branches, ops and cardinalities leave no choice: {self.branches!r}, {self.ops!r}, {self.cardinalities!r}"
            )

    # ---- decisions ----------------------------------------------------------------------------------------------

    @cached_property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Stage of every block and its place there."""
        return tuple((stage, place) for stage, depth in enumerate(self.depths) for place in range(depth))

    @property
    def grouped(self) -> bool:
        """Whether any branch can have groups."""
        return any(name in GROUPED for name in self.ops)

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """Number of branches, what they are, and their groups, block by block; only where there is a choice."""
        own = ["branches"] if len(self.branches) > 1 else []
        own += [f"kind{branch}" for branch in range(max(self.branches))] if len(self.ops) > 1 else []
        own += ["cardinality"] if len(self.cardinalities) > 1 and self.grouped else []
        return tuple(f"stage{stage}.{place}.{what}" for stage, place in self.blocks for what in own)

    def options(self, name: str, choices: Choices) -> Sequence[Option]:
        """What a decision allows; nothing for a branch that is not there, and for the groups of branches without any."""
        block, _, what = name.rpartition(".")
        if what == "branches":
            return self.branches
        number = self._number(block, choices)
        if what == "cardinality":
            kinds = [choices.get(f"{block}.kind{branch}", self.ops[0]) for branch in range(number)]
            return self.cardinalities if any(kind in GROUPED for kind in kinds) else ()
        return self.ops if int(what.removeprefix("kind")) < number else ()

    def all_options(self, name: str) -> Sequence[Option]:
        """Every option, whatever was chosen before."""
        what = name.rpartition(".")[2]
        return {"branches": self.branches, "cardinality": self.cardinalities}.get(what, self.ops)

    def genes(self, choices: Choices) -> list[BlockGenes]:
        """Branches and cardinality of every block; without a choice, or where it does not matter, the first cardinality.

        Raises:
            ArchitectureError: If the choices are not an architecture of this space.
        """
        self.validate(choices)
        genes = []
        for stage, place in self.blocks:
            block = f"stage{stage}.{place}"
            number = self._number(block, choices)
            ops = tuple(str(choices.get(f"{block}.kind{branch}", self.ops[0])) for branch in range(number))
            genes.append(BlockGenes(ops, int(choices.get(f"{block}.cardinality", self.cardinalities[0]))))
        return genes

    def canonical(self, choices: Choices) -> str:
        """The branches of every block sorted, because their sum knows no order."""
        blocks = []
        for ops, cardinality in self.genes(choices):
            groups = f" x{cardinality}" if any(name in GROUPED for name in ops) else ""
            blocks.append("+".join(sorted(ops)) + groups)
        return ";".join(blocks)

    def size(self) -> int:
        """Number of architectures: per block, cardinalities count where a branch has groups."""
        kinds, plain = len(self.ops), sum(name not in GROUPED for name in self.ops)
        block = sum((kinds**n - plain**n) * len(self.cardinalities) + plain**n for n in self.branches)
        return int(block ** len(self.blocks))

    def _number(self, block: str, choices: Choices) -> int:
        """How many branches a block has; the most, if that is not chosen yet."""
        return int(choices.get(f"{block}.branches", max(self.branches)))

    # ---- networks -----------------------------------------------------------------------------------------------

    @cached_property
    def block_numbers(self) -> dict[str, int]:
        """Name of a block in its decisions -> its number."""
        return {f"stage{stage}.{place}": index for index, (stage, place) in enumerate(self.blocks)}
