"""What is known of every run below a folder, whatever state its files are in."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_nas.errors import NasError, ReportError
from lightning_nas.report.costs import part_of
from lightning_nas.report.page import duration
from lightning_nas.report.reading import Curves, presentation_of, read_curves
from lightning_nas.report.tables import DASH, count, decimal
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Summary, checked, read_overrides, read_text

DEEPEST = 4
"""Folders below the given one in which runs are looked for: ``runs/search/<run>`` and ``runs/multirun/<sweep>/<job>``."""

_LAST = 253_402_300_799
"""The last second of the year 9999."""

FACTS = ("task", "data", "space", "strategy", "seed")
"""What a summary says of a run beside its numbers."""


@dataclass(frozen=True)
class ListedRun:
    """A run as the page shows it.

    Args:
        name: Its folder, as seen from the listed one.
        folder: Where it lies.
        state: ``finished``, ``unfinished`` or ``damaged``.
        changed: When its summary, or else its settings, were written, in seconds since 1970.
        facts: What it is, of :data:`FACTS`; empty for a run that has not finished.
        overrides: The settings that its user gave.
        headline: The metric that decides, with its value on the test images; None if nothing was measured.
        metrics: All of them.
        costs: What it costs for one image, as people read it, of the whole network where that is known.
        time: Wall time of search and trainings, as people read it.
        problem: What is wrong with it.
    """

    name: str
    folder: RunFolder
    state: str
    changed: float
    facts: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    headline: tuple[str, str] | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, str] = field(default_factory=dict)
    time: str = DASH
    problem: str = ""

    @property
    def date(self) -> str:
        """When it was changed last."""
        seconds = min(max(self.changed, 0.0), _LAST)
        return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M")

    @property
    def has_report(self) -> bool:
        """Whether there is a page to open."""
        return self.folder.report.is_file() and _own(self.folder.report, self.folder)

    @property
    def cost(self) -> str:
        """All of its costs in one line."""
        return ", ".join(f"{value} {name}" for name, value in self.costs.items()) or DASH


def list_runs(folder: Path) -> list[ListedRun]:
    """All runs below a folder, the newest first. What is no run is left out; a run that cannot be read says why."""
    runs = [_listed(RunFolder(path), folder) for path in _folders(folder)]
    return sorted(runs, key=lambda run: (-run.changed, run.name))


def find_run(folder: Path, name: str) -> ListedRun | None:
    """The run of that name in the list; None if there is none. The name is compared, and never a path."""
    paths = (path for path in _folders(folder) if _name(path, folder) == name)
    return next((_listed(RunFolder(path), folder) for path in paths), None)


def curves_of(run: ListedRun) -> Curves:
    """What was logged in the training of a run's network; nothing where that cannot be read."""
    found = run.folder.found.metrics
    path = found if found.is_file() else run.folder.metrics
    try:
        return read_curves(path) if _own(path, run.folder) else {}
    except NasError:
        return {}


def _own(path: Path, run: RunFolder) -> bool:
    """Whether a file lies in the folder, and is no link to one elsewhere."""
    return path.resolve().is_relative_to(run.path.resolve())


def _folders(top: Path) -> Iterator[Path]:
    """Run folders; those of networks within a run are part of it, and links are not followed."""
    for place, inner, files in os.walk(top, onerror=None, followlinks=False):
        path = Path(place)
        run = RunFolder(path)
        if run.summary.name in files or run.config.is_file():
            inner.clear()
            yield path
        elif len(path.relative_to(top).parts) >= DEEPEST:
            inner.clear()
        inner[:] = sorted(name for name in inner if not name.startswith("."))


def _name(path: Path, top: Path) -> str:
    """A folder as seen from the listed one, in characters that a page can hold."""
    name = path.resolve().name if path == top else path.relative_to(top).as_posix()
    return name.encode(errors="replace").decode()


def _listed(run: RunFolder, top: Path) -> ListedRun:
    name = _name(run.path, top)
    changed = next((path.stat().st_mtime for path in (run.summary, run.config, run.path) if path.exists()), 0.0)
    elsewhere = [run.named(path) for path in (run.summary, run.overrides) if not _own(path, run)]
    if elsewhere:
        return ListedRun(name, run, "damaged", changed, problem=f"{elsewhere[0]} leads out of the folder: not read")
    try:
        overrides = tuple(read_overrides(run.overrides, ReportError))
        if not run.summary.is_file():
            return ListedRun(name, run, "unfinished", changed, overrides=overrides)
        summary = checked(read_text(run.summary, ReportError), Summary, run.named(run.summary), ReportError)
        return ListedRun(
            name,
            run,
            "finished",
            changed,
            {key: str(summary[key]) for key in FACTS},
            overrides,
            **_numbers(summary, run),
        )
    except NasError as error:
        return ListedRun(name, run, "damaged", changed, problem=str(error))
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        return ListedRun(name, run, "damaged", changed, problem=f"{type(error).__name__}: {str(error)[:200]}")


def _numbers(summary: Mapping[str, Any], run: RunFolder) -> dict[str, Any]:
    metrics = summary["metrics"]
    presentation = presentation_of(summary, run.summary)
    name = presentation.deciding(metrics)[0] if metrics else None
    cost = part_of(summary["cost"], "network") or part_of(summary["cost"], "backbone") or {}
    costs = {
        title: count(cost[key]) for title, key in (("parameters", "parameters"), ("multiply-adds", "macs")) if cost
    }
    latency = cost.get("latency")
    if latency is not None:
        costs["ms of latency"] = f"{latency['median_ms']:.1f}"
    return {
        "headline": None if name is None else (name, decimal(metrics.get(name))),
        "metrics": {metric: decimal(value) for metric, value in sorted(metrics.items())},
        "costs": costs,
        "time": duration(sum(summary.get("seconds", {}).values())),
    }
