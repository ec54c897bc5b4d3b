"""Probabilities of the options over time: one small stacked area per edge, drawn so that many fit on a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArgumentError, ReportError
from lightning_nas.report.cells import edge_names, option_names
from lightning_nas.spaces import build_space
from lightning_nas.spaces.pictures.palette import colour, short_name

MOST_NAMED = 12
"""With more options a legend is longer than what it explains; the areas say their names when pointed at."""


@dataclass(frozen=True)
class ProbabilityGroup:
    """The small charts of one group of logits.

    Args:
        name: Its name.
        areas: (edge, SVG element) pairs.
        legend: (option, colour) pairs; none where there are too many options to tell them apart.
    """

    name: str
    areas: tuple[tuple[str, Markup], ...]
    legend: tuple[tuple[str, str], ...]


def probability_groups(history: Sequence[Mapping[str, Any]], architecture: Architecture) -> list[ProbabilityGroup]:
    """The charts of every group of logits of a search; none without a history.

    Raises:
        ReportError: If an epoch has other groups, edges or options than the last one.
    """
    if not history:
        return []
    spaces = {name: build_space(part.space, part.space_args) for name, part in architecture.components.items()}
    groups = []
    for group, last in history[-1]["probabilities"].items():
        shape = [len(row) for row in last]
        for entry in history:
            if [len(row) for row in entry["probabilities"].get(group, ())] != shape:
                raise ReportError(
                    f"history of the search, epoch {entry['epoch']}: {group} has another shape than at the end"
                )
        part, _, own = group.rpartition("/")  # of a joint search: backbone/first
        space = spaces[part] if part else next(iter(spaces.values()))
        options = option_names(space, own, shape[0])
        areas = []
        for edge, title in enumerate(edge_names(space, own, len(shape))):
            rows = [entry["probabilities"][group][edge] for entry in history]
            areas.append((title, Markup(probability_area(rows, options, title))))
        named = options if len(options) <= MOST_NAMED else ()
        legend = tuple((short_name(option), colour(option)) for option in named)
        groups.append(ProbabilityGroup(group, tuple(areas), legend))
    return groups


def probability_area(history: Sequence[Sequence[float]], options: Sequence[str], title: str) -> str:
    """Probabilities of the options of one edge, stacked, over the epochs.

    Args:
        history: ``(epochs, options)``.
        options: Names of the options.
        title: Read by screen readers.

    Raises:
        ValueError: If a row has another number of options.
    """
    if any(len(row) != len(options) for row in history) or not history:
        raise ArgumentError(
            f"history must hold rows of {len(options)} probabilities, got {[len(row) for row in history]}"
        )
    rows = [*history] * 2 if len(history) == 1 else list(history)
    step = 100 / (len(rows) - 1)
    base = [0.0] * len(rows)
    shapes = []
    for index, option in enumerate(options):
        top = [low + row[index] for low, row in zip(base, rows, strict=True)]
        points = [(step * epoch, low) for epoch, low in enumerate(base)]
        points += [(step * epoch, top[epoch]) for epoch in reversed(range(len(rows)))]
        path = " ".join(f"{x:.4g},{60 * (1 - y):.4g}" for x, y in points)
        share = f"{option}: {rows[0][index]:.2f} to {rows[-1][index]:.2f}"
        shapes.append(f'<polygon points="{path}" fill="{colour(option)}"><title>{escape(share)}</title></polygon>')
        base = top
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="area" viewBox="0 0 100 60" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>{''.join(shapes)}</svg>"
    )
