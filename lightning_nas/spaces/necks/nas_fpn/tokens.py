"""The merging cells of NAS-FPN as tokens, and those that the paper found (Ghiasi, Lin, Le 2019, arXiv 1904.07392)."""

from __future__ import annotations

from typing import Literal, NamedTuple

MERGE_OPS = ("sum", "attention")


class MergingCell(NamedTuple):
    """The four tokens of a merging cell: two candidates, the level of the result, the binary operation."""

    a: int
    b: int
    level: int
    op: Literal["sum", "attention"]


PUBLISHED = (
    MergingCell(1, 3, 4, "attention"),
    MergingCell(1, 5, 4, "sum"),
    MergingCell(0, 6, 3, "sum"),
    MergingCell(6, 7, 4, "sum"),
    MergingCell(7, 8, 5, "attention"),
    MergingCell(6, 9, 7, "attention"),
    MergingCell(9, 10, 6, "attention"),
)
"""The neck that the paper found: seven merging cells for the levels 3 to 7 (its figure 6)."""
