"""Draws a NAS-FPN neck as a graph over pyramid levels: a row per level, a column per merging cell."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lightning_nas.spaces.necks.nas_fpn.tokens import MergingCell
from lightning_nas.spaces.pictures.palette import colour

COLUMN, ROW, LEFT, TOP, RADIUS = 84, 62, 64, 34, 17
SIGNS = {"sum": "+", "attention": "att"}


def draw_pyramid(title: str, levels: Sequence[int], cells: Sequence[MergingCell]) -> str:
    """The neck as an SVG element.

    Squares are the levels of the backbone, circles the merging cells in their order, ringed where they give a level of
    the result. A dashed line leads from a map that no cell reads to the result of its level, to which it is added.

    Args:
        title: Read by screen readers.
        levels: Of the pyramid, finest first.
        cells: The architecture.
    """
    row = {level: TOP + ROW * index for index, level in enumerate(reversed(levels))}
    places = [(LEFT, row[level]) for level in levels]
    places += [(LEFT + COLUMN * (i + 1), row[cell.level]) for i, cell in enumerate(cells)]
    node_levels = [*levels, *(cell.level for cell in cells)]
    free = len(cells) - len(levels)
    read: set[int] = set()
    lines: list[str] = []
    nodes: list[str] = []
    for level in levels:
        nodes.append(f'<text x="18" y="{row[level]}">P{level}</text>')
        lines.append(
            f'<path class="line" stroke-opacity=".25" stroke-dasharray="2 4" '
            f'd="M{LEFT} {row[level]}H{LEFT + COLUMN * len(cells) + 34}"/>'
        )
        nodes.append(f'<rect class="node" x="{LEFT - 14}" y="{row[level] - 14}" width="28" height="28" rx="5"/>')
        nodes.append(f'<text x="{LEFT}" y="{row[level]}">{levels.index(level)}</text>')
    for index, cell in enumerate(cells):
        number = len(levels) + index
        x, y = places[number]
        read |= {cell.a, cell.b}
        lines += [_line(places[source], (x, y)) for source in (cell.a, cell.b)]
        if index >= free:
            for source in range(number):
                if source not in read and node_levels[source] == cell.level:
                    lines.append(_line(places[source], (x, y), ' stroke-dasharray="5 4"'))
                    read.add(source)
            nodes.append(f'<circle class="line" cx="{x}" cy="{y}" r="{RADIUS + 4}"/>')
        about = f"{number}: {cell.op} of {cell.a} and {cell.b} at P{cell.level}"
        nodes.append(
            f'<circle class="op" cx="{x}" cy="{y}" r="{RADIUS}" fill="{colour(cell.op)}">'
            f"<title>{escape(about)}</title></circle>"
        )
        nodes.append(f'<text class="on" x="{x}" y="{y}">{SIGNS[cell.op]}</text>')
        nodes.append(f'<text x="{x + RADIUS + 9}" y="{y - RADIUS + 1}">{number}</text>')
    width, height = LEFT + COLUMN * len(cells) + 48, TOP + ROW * (len(levels) - 1) + 34
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cell" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(title)}</title>{"".join(lines + nodes)}</svg>'
    )


def _line(start: tuple[float, float], end: tuple[float, float], extra: str = "") -> str:
    """Straight between rows; an arc above the nodes between within a row."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1 and x1 - x0 > COLUMN:
        return f'<path class="line" d="M{x0} {y0}Q{(x0 + x1) / 2:g} {y0 - 62} {x1} {y1}"{extra}/>'
    return f'<path class="line" d="M{x0} {y0}L{x1} {y1}"{extra}/>'
