"""The edges of a cell of NAS-Bench-201."""

from __future__ import annotations

GROUP = "cell"
"""Name of the group of logits."""


def edges_of(nodes: int) -> list[tuple[int, int]]:
    """The edges ``(node, source)`` of a cell, node by node, sources ascending."""
    return [(node, source) for node in range(1, nodes) for source in range(node)]
