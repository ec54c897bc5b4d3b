"""Pictures of cells with two inputs, whose nodes sum two operations on earlier states."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_nas.spaces.cells.decisions import NodeGenes
from lightning_nas.spaces.pictures.drawing import Node, draw_cell
from lightning_nas.spaces.pictures.picture import Picture

TITLES = {"normal": "Normal cell", "reduce": "Reduction cell"}
INPUTS = ("c(k-2)", "c(k-1)")


def picture_of_cell(
    title: str,
    genes: Sequence[NodeGenes],
    group: str,
    *,
    kept: Sequence[int] | None = None,
    standalone: bool = False,
) -> Picture:
    """A cell: two inputs, nodes that sum two operations each, the concatenation of some states.

    Args:
        title: What it shows.
        genes: Of the nodes.
        group: Name of the logits.
        kept: The states that are concatenated; None: all nodes.
        standalone: Whether the picture brings its own style, for a file of its own.
    """
    nodes = [Node(str(index), pair) for index, pair in enumerate(genes)]
    svg = draw_cell(title, INPUTS, nodes, "output", kept=kept, standalone=standalone)
    return Picture(title, svg, tuple(op for pair in genes for op, _ in pair), group)


def names_of_cell_edges(steps: int) -> list[str]:
    """A label per edge of a cell with so many nodes.

    Example:
        >>> names_of_cell_edges(2)
        ['c(k-2) → 0', 'c(k-1) → 0', 'c(k-2) → 1', 'c(k-1) → 1', '0 → 1']
    """
    states = [*INPUTS, *map(str, range(steps))]
    return [f"{states[source]} → {node}" for node in range(steps) for source in range(node + 2)]
