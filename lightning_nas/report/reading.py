"""Reads what a run left behind, and says which file is wrong."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ReportError
from lightning_nas.report.earlier import presentation_of_earlier
from lightning_nas.report.exported import ExportedFile, exported_file
from lightning_nas.report.remedies import remedies_of
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Candidate, Summary, Trial, checked, read_text
from lightning_nas.runs.history import read_history
from lightning_nas.search.doctor import Remedies
from lightning_nas.search.presentation import Presentation

Curves = dict[str, list[tuple[float, float]]]
"""Logged name, e.g. ``val/accuracy`` -> (epoch, value), ascending."""


@dataclass(frozen=True)
class FinishedRun:
    """The content of a run folder.

    Args:
        folder: Where it lies.
        summary: What the run says of itself.
        architecture: What was found or trained.
        history: The epochs of a search by gradient; empty if it was none.
        curves: What the run has logged; empty if nothing.
        retraining: The same of the found network's training after a search.
        fitness: Of every candidate of an evolution, in order; empty if the run had none.
        trials: Those that have ended, in order; empty if the run did not search trial by trial.
        presentation: What the task of the run says of itself.
        remedies: What the search could be made again with, if it has collapsed.
        pictures: Name of a file that the task wrote in a test -> name of a network -> the file, of those that have one.
        exported: What is known of the run's network as a file; None if it was not exported.
    """

    folder: RunFolder
    summary: Mapping[str, Any]
    architecture: Architecture
    history: tuple[Mapping[str, Any], ...]
    curves: Curves
    retraining: Curves
    fitness: tuple[float, ...]
    trials: tuple[Mapping[str, Any], ...]
    presentation: Presentation
    remedies: Remedies
    pictures: Mapping[str, Mapping[str, Path]]
    exported: ExportedFile | None

    @property
    def deciding(self) -> tuple[str, Literal["max", "min"]]:
        """The metric that decides between the networks, and whether larger or smaller values of it are better."""
        every = (self.summary["metrics"], *(entry["metrics"] for entry in self.summary["comparison"]))
        known = {name for metrics in every for name in metrics}
        if not known and not self.presentation.headline:
            return "metric", "max"  # a test may measure nothing
        return self.presentation.deciding(known)


def read_run(folder: Path) -> FinishedRun:
    """Reads a run folder.

    Raises:
        ReportError: If ``summary.json`` or ``architecture.json`` is missing, or any file is malformed; it names the file.
    """
    if not folder.is_dir():
        raise ReportError(f"run = {folder}: there is no such folder")
    run = RunFolder(folder)
    for file in (run.summary, run.architecture):
        if not file.is_file():
            raise ReportError(f"{file} is missing: the folder is not a run, or the run has not finished")
    summary = checked(read_text(run.summary, ReportError), Summary, str(run.summary), ReportError)
    presentation = presentation_of(summary, run.summary)
    try:
        architecture = Architecture.load(run.architecture)
    except ValueError as error:
        raise ReportError(str(error)) from None
    return FinishedRun(
        run,
        summary,
        architecture,
        read_history(run.history, ReportError),
        read_curves(run.metrics),
        read_curves(run.found.metrics),
        read_fitness(run.candidates),
        read_trials(run.trials),
        presentation,
        remedies_of(run.config),
        {file: _pictures(run, file, summary["comparison"]) for file in presentation.pictures},
        exported_file(run),
    )


def presentation_of(summary: Mapping[str, Any], source: Path) -> Presentation:
    """What the task of a run says of itself.

    Args:
        summary: Of the run, also of an earlier version.
        source: Its file, for messages.

    Raises:
        ReportError: If it is malformed.
    """
    try:
        if "presentation" not in summary:
            return presentation_of_earlier(summary)
        return Presentation.from_dict(summary["presentation"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ReportError(f"{source}: presentation: {type(error).__name__}: {error}") from None


def _pictures(run: RunFolder, file: str, comparison: Sequence[Mapping[str, Any]]) -> dict[str, Path]:
    """A picture of every network, which lies in the folder of its trial, or in that of a training."""
    found = {}
    for entry in comparison:
        name = str(entry.get("name"))
        places = (run.contender(name).picture(file), run.picture(file))
        path = next((path for path in places if path.is_file()), None)
        if path is not None:
            found[name] = path
    return found


def read_fitness(path: Path) -> tuple[float, ...]:
    """The fitness of every candidate of an evolution, without those that failed.

    Raises:
        ReportError: Naming the file and the line that is malformed.
    """
    values = [entry["fitness"] for entry in _lines(path, Candidate)]
    return tuple(float(value) for value in values if value is not None)


def read_trials(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The trials of a black-box search.

    Raises:
        ReportError: Naming the file and the line that is malformed.
    """
    trials = tuple(_lines(path, Trial))
    for trial in trials:
        if trial["values"] is not None and len(trial["values"]) != len(trials[0]["objectives"]):
            raise ReportError(f"{path}, trial {trial['number']}: expected {len(trials[0]['objectives'])} values")
    return trials


def read_curves(path: Path) -> Curves:
    """Reads Lightning's CSV log; several values of one epoch are averaged, and lines of no epoch are left out.

    Raises:
        ReportError: If the file has no ``epoch`` column or a value is not a number.
    """
    if not path.is_file():
        return {}
    values: dict[str, dict[float, list[float]]] = {}
    reader = csv.DictReader(read_text(path, ReportError).splitlines())
    try:
        if "epoch" not in (reader.fieldnames or ()):
            raise ReportError(f"{path}: expected a column 'epoch', got {str(reader.fieldnames)[:200]}")
        for row in reader:
            if None in row:
                raise ReportError(f"{path}, line {reader.line_num}: more values than columns")
            if not row["epoch"]:  # of a callback that logs by steps, such as Lightning's monitor of the rate
                continue
            for name, text in row.items():
                if name in ("epoch", "step") or not text:
                    continue
                try:
                    epoch, value = float(row["epoch"]), float(text)
                except (TypeError, ValueError):
                    raise ReportError(
                        f"{path}, line {reader.line_num}: {name[:50]} = {text[:50]!r}, "
                        f"epoch = {str(row['epoch'])[:50]!r}: not numbers"
                    ) from None
                if math.isfinite(epoch):
                    values.setdefault(name, {}).setdefault(epoch, []).append(value)
    except csv.Error as error:
        raise ReportError(f"{path}, line {reader.line_num}: {error}") from None
    return {
        name: [(epoch, sum(group) / len(group)) for epoch, group in sorted(by_epoch.items())]
        for name, by_epoch in values.items()
    }


def _lines(path: Path, kind: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """The objects of a file of lines; none if there is no such file."""
    if not path.exists():
        return
    for number, line in enumerate(read_text(path, ReportError).splitlines(), start=1):
        yield checked(line, kind, f"{path}, line {number}", ReportError)
