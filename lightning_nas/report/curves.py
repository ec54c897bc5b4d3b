"""Training curves as inline SVG that follows the page's colours."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lightning_nas.report.reading import Curves

_INK = "#010203"  # replaced by currentColor, which is the page's text colour in its light and its dark form
_STAGES = {"train": "#3b82d0", "val": "#e0803a", "test": "#45a06b"}
_LINES = ("#3b82d0", "#e0803a", "#45a06b", "#b266c9")


@dataclass(frozen=True)
class Chart:
    """A chart: its title and an SVG element."""

    title: str
    svg: str


def training_charts(curves: Curves, *, first: str = "", limit: int = 4) -> list[Chart]:
    """One chart per logged quantity, with a line per stage; losses come first, then the metric that decides.

    Quantities with fewer than two epochs, learning rates, the counters of the search and what :func:`controller_charts` shows
    are left out.

    Args:
        curves: Logged name such as ``val/loss`` -> (epoch, value).
        first: The metric that decides, without stage.
        limit: Largest number of charts.
    """
    quantities: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, points in curves.items():
        stage, _, quantity = name.rpartition("/")
        quantity = re.sub(r"_(step|epoch)$", "", quantity)
        if len(points) >= 2 and stage not in ("search", "controller") and not quantity.startswith("lr"):
            quantities.setdefault(quantity, {})[stage or "value"] = points
    names = sorted(quantities, key=lambda name: ("loss" not in name, name != first, name))
    return [Chart(name, line_chart(quantities[name], seed=name)) for name in names[:limit]]


def controller_charts(curves: Curves) -> list[Chart]:
    """What a controller saw, phase by phase: reward with its baseline, and entropy; none if there was no controller."""
    seen = {name.removeprefix("controller/"): p for name, p in curves.items() if name.startswith("controller/")}
    groups = {"reward": ("score", "reward", "baseline"), "entropy": ("entropy",)}
    charts = {
        title: {name: seen[name] for name in names if len(seen.get(name, ())) > 1} for title, names in groups.items()
    }
    return [Chart(title, line_chart(lines, seed=f"controller {title}")) for title, lines in charts.items() if lines]


def fitness_chart(fitness: Sequence[float], of: str = "candidate") -> str:
    """The candidates of a search and the best until each of them.

    Args:
        fitness: Of every candidate, in order.
        of: What a candidate is called.
    """
    best = itertools.accumulate(fitness, max)
    lines = {of: list(enumerate(fitness, start=1)), "best so far": list(enumerate(best, start=1))}
    return line_chart(lines, seed="fitness", over=of)


def scatter_chart(
    points: Sequence[tuple[float, float]],
    marked: Sequence[int],
    across: str,
    up: str,
    named: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """Points, some of them filled and joined by steps.

    Args:
        points: (x, y) of each.
        marked: Indices of those that are filled.
        across: Title of the x axis.
        up: Title of the y axis.
        named: Others, with their names beside them.
    """
    with matplotlib.rc_context(_settings("scatter")):
        figure, axes = _axes()
        x, y = zip(*points, strict=True)
        axes.scatter(x, y, s=14, facecolors="none", edgecolors=_LINES[0], linewidths=0.9)
        x, y = zip(*sorted(points[index] for index in marked), strict=True)
        axes.step(x, y, where="post", color=_LINES[1], linewidth=1.2)
        axes.scatter(x, y, s=20, color=_LINES[1])
        for name, (right, above) in (named or {}).items():
            axes.scatter([right], [above], s=26, marker="D", color=_LINES[2])
            axes.annotate(name, (right, above), xytext=(-5, -3), textcoords="offset points", ha="right", fontsize=7)
        axes.set(xlabel=across, ylabel=up)
        return _as_svg(figure)


def line_chart(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    threshold: float | None = None,
    unit: bool = False,
    seed: str = "",
    over: str = "epoch",
) -> str:
    """Lines over epochs, or over what else is counted.

    Args:
        lines: Label -> (epoch, value).
        threshold: A dashed line at this height.
        unit: Whether the values are shares, drawn from 0 to 1.
        seed: Distinguishes the identifiers inside the SVG from those of other charts on the page.
        over: What is counted.
    """
    return _drawn(tuple((label, tuple(points)) for label, points in lines.items()), threshold, unit, seed, over)


@lru_cache(maxsize=64)
def _drawn(
    lines: tuple[tuple[str, tuple[tuple[float, float], ...]], ...],
    threshold: float | None,
    unit: bool,
    seed: str,
    over: str,
) -> str:
    """An overview shows the same charts again and again: drawing takes longer than all else on a page."""
    with matplotlib.rc_context(_settings(seed)):
        figure, axes = _axes()
        for index, (label, points) in enumerate(lines):
            hue = _STAGES.get(label, _LINES[index % len(_LINES)])
            marker = "o" if len(points) < 15 else None
            axes.plot(*zip(*points, strict=True), label=label, color=hue, linewidth=1.8, marker=marker, markersize=3)
        if threshold is not None:
            axes.axhline(threshold, color=_INK, linewidth=0.8, linestyle="--", alpha=0.6)
        if unit:
            axes.set_ylim(-0.03, 1.03)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(over)
        axes.legend(frameon=False, labelcolor=_INK)
        return _as_svg(figure)


def _settings(seed: str) -> Any:  # matplotlib's type lists every known key
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": seed or "chart",
        "font.family": "sans-serif",
        "font.size": 9,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
    }


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 2.5))  # with margins for all labels: a layout engine draws everything twice
    axes = figure.add_axes((0.15, 0.19, 0.83, 0.77))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_INK, alpha=0.12)
    return figure, axes


def _as_svg(figure: Figure) -> str:
    """An SVG element that takes the page's text colour and the width of its place."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 class="chart"', svg, count=1)
    return svg.replace(_INK, "currentColor").strip()
