"""The pages as HTML: the list of runs, two of them side by side, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lightning_nas.report.curves import line_chart
from lightning_nas.report.overview.listing import FACTS, ListedRun, curves_of
from lightning_nas.report.page import TEMPLATE
from lightning_nas.report.tables import DASH

_HERE = Path(__file__).parent
_CHARTS = 4
"""Most charts of a comparison."""


def list_page(folder: Path, runs: Sequence[ListedRun]) -> str:
    """The list of all runs, with a choice of two."""
    return _rendered("list", folder=folder, runs=runs, dash=DASH)


def compare_page(folder: Path, first: ListedRun, second: ListedRun) -> str:
    """Two runs side by side: facts, numbers, settings, and the curves of validation that both have."""
    pair = (first, second)
    return _rendered("compare", folder=folder, pair=pair, tables=_tables(pair), charts=_charts(pair))


def problem_page(folder: Path, problem: str) -> str:
    """One sentence, and the way back."""
    return _rendered("problem", folder=folder, problem=problem)


def _rendered(name: str, **values: Any) -> str:
    """A page in the style of reports."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, loader=jinja2.FileSystemLoader(_HERE)
    )
    report = TEMPLATE.read_text(encoding="utf-8")
    style = report[report.index("<style>") + len("<style>") : report.index("</style>")]
    return environment.get_template(f"{name}.html").render(style=Markup(style), **values)


def _tables(pair: tuple[ListedRun, ListedRun]) -> list[tuple[str, list[tuple[str, str, str, bool]]]]:
    """Title -> rows of what, of the first, of the second, and whether they differ."""
    what = [
        {
            **{key: run.facts.get(key, DASH) for key in FACTS},
            "state": run.state,
            "date, UTC": run.date,
            "time": run.time,
        }
        for run in pair
    ]
    settings = [dict(item.partition("=")[::2] for item in run.overrides) for run in pair]
    found = {
        "What they are": _rows(*what),
        "On the test images": _rows(*(run.metrics for run in pair)),
        "For one image": _rows(*(run.costs for run in pair)),
        "Settings that were given": _rows(*settings),
    }
    return [(title, rows) for title, rows in found.items() if rows]


def _rows(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str, bool]]:
    names = list(dict.fromkeys([*first, *second]))
    pairs = [(name, first.get(name, DASH), second.get(name, DASH)) for name in names]
    return [(name, left, right, left != right) for name, left, right in pairs]


def _charts(pair: tuple[ListedRun, ListedRun]) -> list[tuple[str, Markup]]:
    """What was logged in validation by both."""
    curves = [{name: points for name, points in curves_of(run).items() if len(points) > 1} for run in pair]
    shared = [name for name in sorted(curves[0]) if name.startswith("val/") and name in curves[1]]
    first = f"val/{pair[0].headline[0]}" if pair[0].headline else ""
    shared.sort(key=lambda name: (name != first, "loss" not in name))
    charts = []
    for name in shared[:_CHARTS]:
        with suppress(ArithmeticError, ValueError):  # numbers that no axis has room for
            svg = line_chart({"first": curves[0][name], "second": curves[1][name]}, seed=name)
            charts.append((name.removeprefix("val/"), Markup(svg)))
    return charts
