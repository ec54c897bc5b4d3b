"""Draws the trellis of Auto-DeepLab: layers from left to right, strides from top to bottom, the found path on top."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lightning_nas.spaces.auto_deeplab.trellis import LEVELS, Place, Trellis
from lightning_nas.spaces.pictures.palette import colour

COLUMN, ROW, LEFT, TOP, RADIUS = 58, 56, 62, 30, 15


def draw_trellis(title: str, trellis: Trellis, path: Sequence[int], probabilities: Mapping[str, Any] | None) -> str:
    """The trellis as an SVG element.

    Grey lines are transitions, as strong as the probability that a path drawn by the logits takes them; a number in a
    place is the percentage of such paths that pass it. Without probabilities all lines are equal and there are no numbers.

    Args:
        title: Read by screen readers.
        trellis: The trellis.
        path: The level of every layer of the found network.
        probabilities: Of the groups ``beta_rim`` and ``beta_inner``.
    """
    reached = trellis.reached(probabilities) if probabilities else {}
    steps = trellis.probabilities(probabilities) if probabilities else {}
    lines = [f'<text x="26" y="{_y(level)}">1/{4 * 2**level}</text>' for level in range(LEVELS)]
    lines += [
        f'<text x="{_x(layer)}" y="{TOP + ROW * LEVELS - 22}">{layer + 1}</text>' for layer in range(trellis.layers)
    ]
    lines.append(f'<text x="{_x(-1)}" y="{TOP + ROW * LEVELS - 22}">stem</text>')
    for source in trellis.sources:
        for target in Trellis.targets(source.level):
            share = reached.get(source, 0.0) * steps[source][target] if steps else 0.15
            about = f": {share:.1%} of the paths" if steps else ""
            width = 0.6 + 7 * share if steps else 1.2
            lines.append(
                f'<path class="line" style="stroke-width:{width:.2f};stroke-opacity:{0.25 + 0.5 * share:.2f}" '
                f'd="{_between(source, Place(source.layer + 1, target))}">'
                f"<title>layer {source.layer + 1} to {source.layer + 2}, 1/{4 * 2**source.level} to "
                f"1/{4 * 2**target}{escape(about)}</title></path>"
            )
    nodes = [f'<rect class="node" x="{_x(-1) - 13}" y="{_y(0) - 13}" width="26" height="26" rx="5"/>']
    found = [Place(-1, 0), *(Place(layer, level) for layer, level in enumerate(path))]
    hue = colour("sep_conv_5x5")
    for source, place in itertools.pairwise(found):
        lines.append(f'<path class="line" style="stroke:{hue};stroke-width:3.2" d="{_between(source, place)}"/>')
    for layer in range(trellis.layers):
        for level in trellis.levels(layer):
            place = Place(layer, level)
            taken = place in found
            style = f' fill="{hue}"' if taken else ""
            kind = "op" if taken else "node"
            nodes.append(f'<circle class="{kind}" cx="{_x(layer)}" cy="{_y(level)}" r="{RADIUS}"{style}/>')
            if place in reached:
                text = "on" if taken else "share"
                nodes.append(f'<text class="{text}" x="{_x(layer)}" y="{_y(level)}">{100 * reached[place]:.0f}</text>')
    width, height = _x(trellis.layers - 1) + RADIUS + 12, TOP + ROW * LEVELS
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cell" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(title)}</title>{"".join(lines + nodes)}</svg>'
    )


def _x(layer: int) -> int:
    return LEFT + COLUMN * (layer + 1)


def _y(level: int) -> int:
    return TOP + ROW * level


def _between(source: Place, target: Place) -> str:
    return f"M{_x(source.layer)} {_y(source.level)}L{_x(target.layer)} {_y(target.level)}"
