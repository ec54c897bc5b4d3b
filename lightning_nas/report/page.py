"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import datetime
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ReportError
from lightning_nas.report.cells import draw
from lightning_nas.report.costs import PARTS, cost_note, cost_rows, part_of
from lightning_nas.report.curves import controller_charts, fitness_chart, training_charts
from lightning_nas.report.front import agreement, beside_chart, front_report
from lightning_nas.report.gallery import gallery_report
from lightning_nas.report.next_step import next_step
from lightning_nas.report.over_time import charts_over_time, diagnosis_of
from lightning_nas.report.probabilities import probability_groups
from lightning_nas.report.reading import FinishedRun, read_run
from lightning_nas.report.tables import (
    COSTS,
    comparison_rows,
    comparison_sentence,
    decimal,
    matched_sentence,
    shown_tables,
    shows_no_gain,
)
from lightning_nas.report.trials import TrialReport, trial_report
from lightning_nas.report.ways_out import ways_out
from lightning_nas.search.doctor import RULES, Signs
from lightning_nas.search.doctor.signs import skip_share
from lightning_nas.spaces.pictures.picture import Picture

TEMPLATE = Path(__file__).with_name("template.html")


def build(run_folder: str | Path) -> Path:
    """Writes ``report.html`` into a run folder.

    Returns:
        The path of the report.

    Raises:
        ReportError: If a needed file is missing or a file is malformed; it names the file.
    """
    run = read_run(Path(run_folder))
    path = run.folder.report
    write_atomic(path, _template().render(**_values(run)))
    return path


@functools.cache
def _template() -> jinja2.Template:
    """Compiled once: that takes longer than filling it in, and a sweep writes a report for each of its jobs."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _values(run: FinishedRun) -> dict[str, Any]:
    summary, comparison = run.summary, run.summary["comparison"]
    source = run.folder.summary
    for entry in comparison:
        missing = {"name", "kind", "metrics"} - set(entry)
        if missing:
            raise ReportError(f"{source}: comparison {entry.get('name')!r} lacks {sorted(missing)}")
    says = run.presentation
    metric, mode = run.deciding
    for cost in (summary["cost"], *comparison):
        _check_cost(cost, source)
    drawings = draw(run.architecture, run.history[-1]["probabilities"] if run.history else None)
    signs = Signs.of(run.history)
    diagnosis = diagnosis_of(run, signs)
    step = next_step(run, diagnosis, metric, mode)
    return {
        "title": f"{summary['strategy']} on {summary['data']}",
        "summary": summary,
        "hash": run.architecture.hash[:12],
        "written": _time(datetime.datetime.now(tz=datetime.UTC).timestamp()),
        "finished": _time(source.stat().st_mtime),
        "headline": (metric, decimal(summary["metrics"].get(metric))),
        "metrics": [(name, decimal(value)) for name, value in sorted(summary["metrics"].items())],
        "diagnosis": diagnosis,
        "ways_out": [command for command in ways_out(run, diagnosis) if command != step.command],
        "next_step": step,
        "gallery": gallery_report(run.folder),
        "exported": run.exported,
        "rules": RULES,
        "no_gain": shows_no_gain(comparison, metric, mode),
        "drawings": [(one.title, Markup(one.svg), _final_share(one), _width(one.svg)) for one in drawings],
        "over_time": charts_over_time(signs),
        "trials": _trials(run),
        "front": front_report(run.folder),
        "front_agreement": agreement(run.folder, comparison, metric),
        "front_beside": beside_chart(run.folder, comparison, metric),
        "fitness_chart": Markup(fitness_chart(run.fitness)) if run.fitness else None,
        "controller": [(chart.title, Markup(chart.svg)) for chart in controller_charts(run.curves)],
        "probabilities": probability_groups(run.history, run.architecture),
        "searching": [(chart.title, Markup(chart.svg)) for chart in training_charts(run.curves, first=metric)],
        "retraining": [(chart.title, Markup(chart.svg)) for chart in training_charts(run.retraining, first=metric)],
        "cost": [(*row, *file) for row, file in zip(cost_rows(summary["cost"]), _costs_of_file(run), strict=True)],
        "cost_note": cost_note(summary["cost"]),
        "matched": matched_sentence(comparison),
        "cost_columns": tuple(title for _, _, title in COSTS),
        "comparison": _compared(run, metric),
        "tables": shown_tables(says.tables, comparison),
        "class_colours": [
            (c["name"], "#{:02x}{:02x}{:02x}".format(*c["color"])) for c in summary.get("classes", ()) if c.get("color")
        ],
        "pictures": [
            (says.pictures[file], [(name, _embedded(path)) for name, path in shown])
            for file in says.pictures
            if (shown := _worth_showing(run, file))
        ],
        "comparison_sentence": comparison_sentence(comparison, metric, mode),
        "seconds": [(name, duration(value)) for name, value in sorted(summary.get("seconds", {}).items()) if value],
        "versions": sorted(summary.get("versions", {}).items()),
        "generated": summary.get("generated", False),
    }


def _compared(run: FinishedRun, metric: str) -> list[tuple[str, ...]]:
    """The rows of the comparison; the exported file stands behind the found network."""
    rows = comparison_rows(run.summary["comparison"], metric)
    if run.exported is not None and rows:
        rows.insert(1, run.exported.row(metric))
    return rows


def _costs_of_file(run: FinishedRun) -> list[tuple[str, ...]]:
    """One more cell for each row of the costs, if there is a file."""
    return [()] * 4 if run.exported is None else [(cell,) for cell in run.exported.costs()]


def _check_cost(cost: Mapping[str, Any], source: Path) -> None:
    for part in PARTS:
        try:
            part_of(cost, part)
        except (KeyError, TypeError) as error:
            where = f"comparison {cost['name']!r}" if "name" in cost else "cost"
            raise ReportError(f"{source}: {where} lacks {error} of the {PARTS[part]}") from None


def _trials(run: FinishedRun) -> TrialReport | None:
    return trial_report(run.trials) if run.trials else None


def _worth_showing(run: FinishedRun, file: str) -> list[tuple[str, Path]]:
    """A picture of the found network first, then of those made by hand, of one random one, of the ends of the front."""
    kinds = {str(entry["name"]): entry["kind"] for entry in run.summary["comparison"]}
    pictures = run.pictures[file]
    of_kind = {kind: [name for name in pictures if kinds[name] == kind] for kind in set(kinds.values())}
    front, drawn = of_kind.get("front", []), of_kind.get("random", [])
    others = [*of_kind.get("baseline", []), *drawn[:1], *front[:1], *front[1:][-1:]]
    return [(name, pictures[name]) for name in [*of_kind.get("found", []), *others]]


def _embedded(path: Path) -> str:
    kind = "png" if path.suffix.lower() == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _final_share(drawing: Picture) -> str:
    if not drawing.operations:
        return ""
    return f"{skip_share(drawing.operations):.0%} of its operations learn nothing"


def _width(svg: str) -> float:
    """Of a drawing, in pixels: a narrow screen shows it smaller, but not so small that it cannot be read."""
    found = re.search(r'<svg[^>]* width="([\d.]+)"', svg)
    return float(found[1]) if found else 0.0


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float) -> str:
    """A time for people, e.g. ``2 min 5 s``."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
