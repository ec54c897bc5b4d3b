"""Draws a cell as inline SVG: one row per node, so that no line runs behind a box.

A node stands in its own row, in the column of its depth; its operations are the boxes before it. A line leaves its
source, changes rows in the gap right behind the source's column, and then runs along the row of its target, where no
other box stands before the target's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.pictures.palette import colour, short_name

BOX, NODE, GAP, GUTTER, LANE = 66, 26, 14, 34, 30
STANDALONE = (
    "<style>.line{stroke:#6b7280;fill:none;stroke-width:1.4}.node{fill:#e5e7eb;stroke:#6b7280}"
    "text{font:12px system-ui,sans-serif;fill:#111827;text-anchor:middle;dominant-baseline:central}</style>"
)


@dataclass(frozen=True)
class Node:
    """A node: the operations on earlier states that it sums.

    Args:
        name: Its label.
        operations: ``(operation, source)``; sources count the inputs first, then the nodes.
    """

    name: str
    operations: tuple[tuple[str, int], ...]


def draw_cell(
    title: str,
    inputs: Sequence[str],
    nodes: Sequence[Node],
    output: str,
    *,
    kept: Sequence[int] | None = None,
    standalone: bool = False,
) -> str:
    """The cell as an SVG element.

    Args:
        title: Read by screen readers.
        inputs: Labels of the input states.
        nodes: The nodes, each reading only earlier states.
        output: Label of the output; if it is empty, the last node is the output.
        kept: The states that feed the output, inputs counted first; None: all nodes.
        standalone: Whether the drawing brings its own style, for a file of its own.

    Raises:
        ValueError: If a node reads a state that does not exist before it.
    """
    depths = _depths(len(inputs), nodes)
    label = max(34.0, 8.0 * max(map(len, inputs)) + 12)
    rows, y = [], 8.0  # middle of every node's row
    for node in nodes:
        row_height = LANE * max(1, len(node.operations))
        rows.append(y + row_height / 2)
        y += row_height + 10
    kept = range(len(inputs), len(inputs) + len(nodes)) if kept is None else kept
    around = [state for state in kept if state < len(inputs)]  # inputs that feed the output run below everything else
    spread = max(y, LANE * len(inputs) + 20) / len(inputs)
    height = spread * len(inputs) + 14 * len(around)
    column = BOX + GAP + NODE + GUTTER
    left = [8 + label + GUTTER + (depth - 1) * column for depth in depths]  # of a node's boxes
    right = 8 + label + GUTTER + max(depths) * column
    width = right + (34 if output else 0) + 4
    exits = [(8 + label, spread * (index + 0.5)) for index in range(len(inputs))]
    exits += [(x + BOX + GAP + NODE, row) for x, row in zip(left, rows, strict=True)]

    lines, boxes = [], []
    for index, (node, row) in enumerate(zip(nodes, rows, strict=True)):
        top = row - LANE * (len(node.operations) - 1) / 2
        for lane, (operation, source) in enumerate(node.operations):
            middle, x = top + LANE * lane, left[index]
            dash = ' stroke-dasharray="3 3"' if operation == "none" else ""
            lines.append(_line(*exits[source], x, middle, dash))
            lines.append(_line(x + BOX, middle, x + BOX + GAP, row, dash))
            boxes.append(_box(x, middle, BOX, colour(operation), short_name(operation), operation))
        centre = left[index] + BOX + GAP + NODE / 2
        boxes.append(f'<circle class="node" cx="{centre:g}" cy="{row:g}" r="{NODE / 2 - 1:g}"/>')
        boxes.append(_text(centre, row, node.name))
        if output and len(inputs) + index in kept:
            lines.append(_line(*exits[len(inputs) + index], right, row))
    for index, name in enumerate(inputs):
        boxes.append(f'<rect class="node" x="8" y="{exits[index][1] - 13:g}" width="{label:g}" height="26" rx="6"/>')
        boxes.append(_text(8 + label / 2, exits[index][1], name))
    if output:
        lines += [_line(*exits[state], right, height - 10 - 14 * lane) for lane, state in enumerate(reversed(around))]
        boxes.append(f'<rect class="node" x="{right:g}" y="6" width="28" height="{height - 12:g}" rx="6"/>')
        boxes.append(_text(right + 14, height / 2, output, f' transform="rotate(90 {right + 14:g} {height / 2:g})"'))
    return _svg(title, width, height, lines + boxes, standalone)


def draw_chain(title: str, blocks: Sequence[Sequence[str]], *, per_row: int = 4, standalone: bool = False) -> str:
    """Blocks one after another, broken into rows like text.

    Args:
        title: Read by screen readers.
        blocks: Per block its lines of text; the first decides the colour.
        per_row: Blocks in a row.
        standalone: Whether the drawing brings its own style.

    Raises:
        ValueError: If there are no blocks.
    """
    if not blocks:
        raise ArgumentError("blocks must not be empty, got []")
    box = max(84, 7 * max(len(text) for lines in blocks for text in lines) + 12)
    step = box + 20
    tall = 14 * max(map(len, blocks)) + 12
    parts = []
    for index, lines in enumerate(blocks):
        x, y = 8 + step * (index % per_row), 8 + (tall + 18) * (index // per_row)
        if index + 1 < len(blocks):
            parts.append(f'<path class="line" d="M{x + box} {y + tall / 2:g}h14m-5 -4l5 4l-5 4"/>')
        parts.append(
            f'<rect class="op" x="{x}" y="{y}" width="{box}" height="{tall}" rx="6" fill="{colour(lines[0])}">'
            f"<title>{escape(' '.join(lines))}</title></rect>"
        )
        for number, text in enumerate(lines):
            parts.append(_text(x + box / 2, y + 13 + 14 * number, text))
    rows = -(-len(blocks) // per_row)
    return _svg(title, 8 + step * min(per_row, len(blocks)), 8 + (tall + 18) * rows, parts, standalone)


def _depths(inputs: int, nodes: Sequence[Node]) -> list[int]:
    """Length of the longest way from an input to every node."""
    states = [0] * inputs
    for index, node in enumerate(nodes):
        for _, source in node.operations:
            if not 0 <= source < inputs + index:
                raise ArgumentError(f"node {node.name} reads state {source}, expected one of 0..{inputs + index - 1}")
        states.append(1 + max((states[source] for _, source in node.operations), default=0))
    return states[inputs:]


def _line(x0: float, y0: float, x1: float, y1: float, extra: str = "") -> str:
    bend = min(GUTTER, x1 - x0)
    half = x0 + bend / 2
    curve = f"M{x0:g} {y0:g}C{half:g} {y0:g} {half:g} {y1:g} {x0 + bend:g} {y1:g}"
    return f'<path class="line" d="{curve}H{x1:g}"{extra}/>'


def _box(x: float, middle: float, width: float, fill: str, text: str, full: str) -> str:
    return (
        f'<rect class="op" x="{x:g}" y="{middle - 12:g}" width="{width:g}" height="24" rx="6" fill="{fill}">'
        f"<title>{escape(full)}</title></rect>" + _text(x + width / 2, middle, text)
    )


def _text(x: float, y: float, text: str, extra: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{extra}>{escape(text)}</text>'


def _svg(title: str, width: float, height: float, parts: Sequence[str], standalone: bool) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cell" role="img" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}"><title>{escape(title)}</title>{STANDALONE if standalone else ""}'
        + "".join(parts)
        + "</svg>"
    )
