"""The table over the jobs of a Hydra multirun: mean ± spread over seeds, one row per setting."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ReportError
from lightning_nas.report.costs import PARTS, QUANTITIES, objective_title, part_of
from lightning_nas.report.reading import presentation_of
from lightning_nas.report.tables import DASH, mean_and_spread, measured, plus_minus
from lightning_nas.runs import SweepFolder
from lightning_nas.runs.contents import read_overrides


@dataclass(frozen=True)
class Setting:
    """The finished jobs that differ only in their seed.

    Args:
        overrides: Their other overrides, sorted, joined by blanks.
        values: Quantity -> one value per job.
        unfinished: Number of jobs without a summary.
        headline: The metric that decides between networks; None where no job has measured any.
    """

    overrides: str
    values: Mapping[str, Sequence[float]]
    unfinished: int
    headline: str | None = None


def write_table(sweep: Path) -> str:
    """Writes ``table.csv`` into a sweep's folder.

    Returns:
        The table as text, for the terminal.

    Raises:
        ReportError: If the folder holds no jobs, or a file of a job is malformed.
    """
    settings = collect(sweep)
    write_atomic(SweepFolder(sweep).table, to_csv(settings))
    return to_text(settings)


def collect(sweep: Path) -> list[Setting]:
    """Groups the jobs of a sweep (folders with ``.hydra/overrides.yaml``) by their overrides other than ``seed``.

    Raises:
        ReportError: If the folder holds no jobs, or a file of a job is malformed.
    """
    jobs: dict[str, list[_Job | None]] = {}
    for job in SweepFolder(sweep).jobs:
        overrides = sorted(read_overrides(job.overrides, ReportError))
        key = " ".join(item for item in overrides if item.lstrip("+").partition("=")[0] != "seed") or "(defaults)"
        jobs.setdefault(key, []).append(_read(job.summary))
    if not jobs:
        raise ReportError(f"{sweep}: no jobs of a multirun, expected folders of jobs")
    settings = []
    for key, results in jobs.items():
        finished = [result for result in results if result is not None]
        names = sorted({name for result in finished for name in result.values})
        values = {name: [result.values[name] for result in finished if name in result.values] for name in names}
        headline = next((result.headline for result in finished if result.headline is not None), None)
        settings.append(Setting(key, values, len(results) - len(finished), headline))
    return settings


def to_csv(settings: Sequence[Setting]) -> str:
    """Mean, spread (sample standard deviation, empty for one job) and number of jobs of every quantity."""
    names = sorted({name for setting in settings for name in setting.values})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = [f"{name}_{part}" for name in names for part in ("mean", "spread", "jobs")]
    writer.writerow(["overrides", "unfinished", *columns])
    for setting in settings:
        cells: list[Any] = [setting.overrides, setting.unfinished]
        for name in names:
            values = setting.values.get(name, ())
            mean, spread = mean_and_spread(values) if values else (None, None)
            cells += [mean, spread, len(values)]
        writer.writerow(cells)
    return buffer.getvalue()


def to_text(settings: Sequence[Setting], *, width: int = 140) -> str:
    """Two tables for the terminal.

    What the found networks cost, backbone and whole network; last the deciding metric of them and of the random networks.
    """
    headlines = list(dict.fromkeys(setting.headline for setting in settings if setting.headline is not None))
    shown = [(f"metrics/{metric}", metric, 4) for metric in headlines]
    if headlines:
        shown.append(("random", f"{headlines[0] if len(headlines) == 1 else 'the same'}, random networks", 4))
    shown.append(("search_seconds", "search, s", 1))
    costs = [(f"{part}/{name}", 2 if name == "latency_ms" else 0) for name in QUANTITIES for part in PARTS]
    console = Console(file=io.StringIO(), width=width, record=True)
    columns = [(name, objective_title(name), digits) for name, digits in costs]
    console.print(_table("cost of the found networks for one image", settings, columns))
    console.print(_table("mean ± spread over seeds", settings, shown))
    return console.export_text()


def _table(title: str, settings: Sequence[Setting], columns: Sequence[tuple[str, str, int]]) -> Table:
    """One row per setting, one column per quantity: its name, title and decimal places."""
    table = Table(title=title)
    table.add_column("overrides", overflow="fold")
    for heading in ("jobs", *(heading for _, heading, _ in columns)):
        table.add_column(heading, justify="right")
    for setting in settings:
        jobs = max((len(values) for values in setting.values.values()), default=0)
        lost = f" ({setting.unfinished} unfinished)" if setting.unfinished else ""
        cells = [
            plus_minus(setting.values[name], digits) if setting.values.get(name) else DASH
            for name, _, digits in columns
        ]
        table.add_row(setting.overrides, f"{jobs}{lost}", *cells)
    return table


def _numbers(part: str, cost: Mapping[str, Any] | None) -> dict[str, float]:
    """Cost by name, e.g. ``network/macs``; nothing of what was not counted."""
    if cost is None:
        return {}
    latency = {} if cost["latency"] is None else {f"{part}/latency_ms": float(cost["latency"]["median_ms"])}
    return {f"{part}/{name}": float(cost[name]) for name in ("parameters", "macs")} | latency


@dataclass(frozen=True)
class _Job:
    values: Mapping[str, float]
    headline: str | None


def _read(path: Path) -> _Job | None:
    """The numbers of one job; None if it has not finished."""
    if not path.is_file():
        return None
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        found = {name: float(value) for name, value in summary["metrics"].items() if value is not None}
        values = {f"metrics/{name}": value for name, value in found.items()}
        for part in PARTS:
            values |= _numbers(part, part_of(summary["cost"], part))
        values["search_seconds"] = float(summary["seconds"]["search"])
        metrics = summary["metrics"]
        headline = presentation_of(summary, path).deciding(metrics)[0] if metrics else None
        drawn = measured(summary["comparison"], headline, "random") if headline is not None else []
    except ReportError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"{path}: not a summary of a run: {type(error).__name__}: {error}") from None
    if drawn:
        values["random"] = mean_and_spread(drawn)[0]
    return _Job(values, headline)
