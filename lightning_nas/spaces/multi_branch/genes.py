"""What is decided about a block of the multi-branch space."""

from __future__ import annotations

from typing import NamedTuple

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
