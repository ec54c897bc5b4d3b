"""From an architecture to drawings of its cells: ``python -m lightning_nas.report.cells`` redraws ``found_cell.svg``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_nas.architecture import Architecture, Choices, Component, write_atomic
from lightning_nas.report.drawing import Node, draw_cell, draw_chain
from lightning_nas.report.palette import short_name
from lightning_nas.report.pyramid import draw_pyramid
from lightning_nas.report.trellis import draw_trellis
from lightning_nas.spaces import AutoDeepLab, Darts, Gas, NasFpn, NasNet, SearchSpace, build_space
from lightning_nas.spaces.necks.nas_fpn.space import MERGE_OPS

FOUND_CELL = Path(__file__).with_name("found_cell.svg")
TITLES = {"normal": "Normal cell", "reduce": "Reduction cell"}
INPUTS = ("c(k-2)", "c(k-1)")
_EDGE = re.compile(r"(\d+)\D+(\d+)$")


@dataclass(frozen=True)
class Drawing:
    """A drawing of one part of an architecture.

    Args:
        title: What it shows.
        svg: An SVG element.
        operations: Names of the operations in it; empty where the options are not operations.
        group: The name of the logits that it was decoded from, empty if there is no one.
    """

    title: str
    svg: str
    operations: tuple[str, ...]
    group: str = ""


def draw(architecture: Architecture, probabilities: Mapping[str, Any] | None = None) -> list[Drawing]:
    """Draws every component of an architecture.

    Args:
        architecture: The architecture.
        probabilities: Group of logits -> ``(rows, options)`` at the end of the search, where there was one.

    Raises:
        ArchitectureError: If a component does not belong to its search space.
    """
    drawings = []
    for name, part in architecture.components.items():
        space = build_space(part.space, part.space_args)
        space.validate(part.choices)
        drawings += _draw_component(name, part, space, _of_part(name, probabilities or {}))
    return drawings


def _of_part(name: str, probabilities: Mapping[str, Any]) -> dict[str, Any]:
    """The groups of one component, which has its name in front in a joint search."""
    return {
        group.rpartition("/")[2]: rows
        for group, rows in probabilities.items()
        if group.rpartition("/")[0] in ("", name)
    }


def _draw_component(name: str, part: Component, space: SearchSpace, probabilities: Mapping[str, Any]) -> list[Drawing]:
    if isinstance(space, Gas):
        return [draw_gas(space, part.choices, cell) for cell in space.groups]
    if isinstance(space, AutoDeepLab):
        return draw_auto_deeplab(space, part.choices, probabilities)
    if isinstance(space, Darts):
        return [draw_darts(space, part.choices, cell) for cell in ("normal", "reduce")]
    if isinstance(space, NasNet):
        return [draw_nasnet(space, part.choices, cell) for cell in ("normal", "reduce")]
    if isinstance(space, NasFpn):
        return [draw_neck(space, part.choices)]
    if not space.decisions:
        return []
    if _is_complete_cell(space):
        return [draw_dag(part.space, part.choices)]
    return [draw_blocks(f"{name}: {part.space}", part.choices)]


def draw_darts(space: Darts, choices: Choices, cell: str, *, standalone: bool = False) -> Drawing:
    """A cell of the DARTS space: two inputs, nodes that sum two operations each, all concatenated."""
    genes = space.genes(choices, cell)
    nodes = [Node(str(index), pair) for index, pair in enumerate(genes)]
    svg = draw_cell(TITLES[cell], INPUTS, nodes, "output", standalone=standalone)
    return Drawing(TITLES[cell], svg, tuple(op for pair in genes for op, _ in pair), cell)


def draw_nasnet(space: NasNet, choices: Choices, cell: str) -> Drawing:
    """A cell of the NASNet family: blocks that sum two operations each; the states that no block reads are concatenated."""
    genes = space.genes(choices, cell)
    nodes = [Node(str(index), pair) for index, pair in enumerate(genes)]
    svg = draw_cell(TITLES[cell], INPUTS, nodes, "output", kept=space.kept(choices, cell))
    return Drawing(TITLES[cell], svg, tuple(op for pair in genes for op, _ in pair), cell)


def draw_auto_deeplab(space: AutoDeepLab, choices: Choices, probabilities: Mapping[str, Any]) -> list[Drawing]:
    """The path through the trellis, and the cell."""
    path = space.path(choices)
    strides = ", ".join(str(4 * 2**level) for level in path)
    nodes = [Node(str(index), pair) for index, pair in enumerate(space.genes(choices))]
    known = probabilities if set(space.trellis.rows) <= set(probabilities) else None
    title = f"Path through the strides: {strides}"
    trellis = draw_trellis(title, space.trellis, path, known)
    cell = draw_cell("Cell", INPUTS, nodes, "output")
    operations = tuple(op for pair in space.genes(choices) for op, _ in pair)
    return [Drawing(title, trellis, ()), Drawing("Cell", cell, operations, "cell")]


def draw_gas(space: Gas, choices: Choices, cell: str) -> Drawing:
    """One of the cells, each of which has its own architecture."""
    nodes = [Node(str(index), pair) for index, pair in enumerate(space.genes(choices, cell))]
    title = f"Cell {cell.removeprefix('cell')}"
    return Drawing(title, draw_cell(title, INPUTS, nodes, "output"), ())


def draw_neck(space: NasFpn, choices: Choices) -> Drawing:
    """A NAS-FPN neck as a graph over the levels of the pyramid."""
    title = f"Neck: {space.cells} merging cells" + (f", {space.repeats} stacks" if space.repeats > 1 else "")
    return Drawing(title, draw_pyramid(title, space.levels, space.tokens(choices)), ())


def draw_dag(space: str, choices: Choices) -> Drawing:
    """A cell with one decision per edge of a complete graph (NAS-Bench-201): the last node is the output."""
    incoming: dict[int, list[tuple[str, int]]] = {}
    for decision, option in choices.items():
        source, target = sorted(_ends(decision))
        incoming.setdefault(target, []).append((str(option), source))
    nodes = [
        Node(str(target), tuple(sorted(incoming[target], key=lambda item: item[1]))) for target in sorted(incoming)
    ]
    title = f"Cell of {space}"
    return Drawing(
        title, draw_cell(title, ("0",), nodes, ""), tuple(str(option) for option in choices.values()), "cell"
    )


def draw_blocks(title: str, choices: Choices) -> Drawing:
    """Any other space: one block per prefix of the decisions' names, in their order."""
    blocks: dict[str, list[str]] = {}
    for decision, option in choices.items():
        block, _, what = decision.rpartition(".")
        blocks.setdefault(block or decision, []).append(
            f"{what} {short_name(str(option))}" if block else short_name(str(option))
        )
    drawn = [[block, *lines] for block, lines in blocks.items()]
    return Drawing(title, draw_chain(title, drawn), ())


def option_names(space: SearchSpace, group: str, count: int) -> tuple[str, ...]:
    """Names of the options of a group of logits: operations, or what a neck decides, else numbers."""
    names = tuple(str(name) for name in getattr(space, "ops", ()))
    if group in ("beta_rim", "beta_inner"):
        return ("finer", "same", "coarser") if count == 3 else ("finer or same", "same or coarser")
    if isinstance(space, NasFpn):
        if group == "op":
            names = MERGE_OPS
        elif group == "level":
            names = tuple(f"P{level}" for level in space.levels)
        elif group == "order":
            names = tuple(" ".join(map(str, order)) for order in space.orders)
        else:
            names = tuple(f"{a} and {b}" for a, b in space.pairs(int(group.removeprefix("pair"))))
    return names if len(names) == count else tuple(f"option {index}" for index in range(count))


def edge_names(space: SearchSpace, group: str, rows: int) -> list[str]:
    """A label per row of a group of logits: ``source → target`` in a cell, else a number."""
    if isinstance(space, AutoDeepLab) and group in space.trellis.rows:
        names = [f"layer {place.layer + 1}, 1/{4 * 2**place.level}" for place in space.trellis.rows[group]]
    elif isinstance(space, Darts | AutoDeepLab | Gas):
        steps = space.blocks if isinstance(space, AutoDeepLab) else space.steps
        states = ["c(k-2)", "c(k-1)", *map(str, range(steps))]
        names = [f"{states[source]} → {node}" for node in range(steps) for source in range(node + 2)]
    elif _is_complete_cell(space):
        names = ["{} → {}".format(*sorted(_ends(decision))) for decision in space.decisions]
    else:
        names = [decision for decision in space.decisions if decision.startswith(f"{group}.")]
    return names if len(names) == rows else [f"{group} {row}" for row in range(rows)]


def _ends(decision: str) -> tuple[int, int]:
    match = _EDGE.search(decision)
    assert match is not None  # callers have checked
    return int(match[1]), int(match[2])


def _is_complete_cell(space: SearchSpace) -> bool:
    """Whether the decisions are all edges of a complete acyclic graph."""
    if not space.decisions or not all(_EDGE.search(decision) for decision in space.decisions):
        return False
    edges = {tuple(sorted(_ends(decision))) for decision in space.decisions}
    nodes = {node for edge in edges for node in edge}
    return len(edges) == len(space.decisions) == len(nodes) * (len(nodes) - 1) // 2


def main() -> None:
    """Writes the picture of the README: the normal cell of DARTS V2."""
    s3, d3, skip = "sep_conv_3x3", "dil_conv_3x3", "skip_connect"
    normal = [((s3, 0), (s3, 1)), ((s3, 0), (s3, 1)), ((s3, 1), (skip, 0)), ((skip, 0), (d3, 2))]
    space = Darts()
    choices = space.from_genes({"normal": normal, "reduce": normal})
    write_atomic(FOUND_CELL, draw_darts(space, choices, "normal", standalone=True).svg + "\n")
    print(FOUND_CELL)


if __name__ == "__main__":
    main()
