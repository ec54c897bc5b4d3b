"""Reads what a run left behind, and says which file is wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ReportError
from lightning_nas.report.earlier import presentation_of_earlier
from lightning_nas.runs import RunFolder
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
        pictures: Name of a file that the task wrote in a test -> name of a network -> the file, of those that have one.
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
    pictures: Mapping[str, Mapping[str, Path]]


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
    summary = _json(run.summary.read_text(encoding="utf-8"), str(run.summary))
    missing = sorted({"task", "data", "space", "strategy", "seed", "metrics", "cost", "comparison"} - set(summary))
    if missing:
        raise ReportError(f"{run.summary}: missing keys {missing}")
    presentation = presentation_of(summary, run.summary)
    try:
        architecture = Architecture.load(run.architecture)
    except ValueError as error:
        raise ReportError(str(error)) from None
    return FinishedRun(
        run,
        summary,
        architecture,
        read_history(run.history),
        read_curves(run.metrics),
        read_curves(run.found.metrics),
        read_fitness(run.candidates),
        read_trials(run.trials),
        presentation,
        {file: _pictures(run, file, summary["comparison"]) for file in presentation.pictures},
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


def read_history(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The epochs of a search, ascending; a resumed run may repeat an epoch, the last line counts.

    Raises:
        ReportError: Naming the file and the line that is malformed.
    """
    if not path.is_file():
        return ()
    epochs: dict[int, Mapping[str, Any]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        entry = _json(line, f"{path}, line {number}")
        if not isinstance(entry.get("epoch"), int) or not isinstance(entry.get("probabilities"), dict):
            raise ReportError(f"{path}, line {number}: expected 'epoch' and 'probabilities', got {sorted(entry)}")
        epochs[entry["epoch"]] = entry
    return tuple(epochs[epoch] for epoch in sorted(epochs))


def read_fitness(path: Path) -> tuple[float, ...]:
    """The fitness of every candidate of an evolution, without those that failed.

    Raises:
        ReportError: Naming the file and the line that is malformed.
    """
    if not path.is_file():
        return ()
    values = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        entry = _json(line, f"{path}, line {number}")
        value = entry.get("fitness")
        if value is None and "fitness" in entry:
            continue  # a candidate that failed
        if not isinstance(value, int | float):
            raise ReportError(f"{path}, line {number}: expected a number 'fitness', got {value!r}")
        values.append(float(value))
    return tuple(values)


def read_trials(path: Path) -> tuple[Mapping[str, Any], ...]:
    """The trials of a black-box search.

    Raises:
        ReportError: Naming the file and the line that is malformed.
    """
    if not path.is_file():
        return ()
    trials = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        entry = _json(line, f"{path}, line {number}")
        missing = {"number", "state", "objectives", "values"} - set(entry)
        if missing:
            raise ReportError(f"{path}, line {number}: missing keys {sorted(missing)}")
        trials.append(entry)
    return tuple(trials)


def read_curves(path: Path) -> Curves:
    """Reads Lightning's CSV log; several values of one epoch are averaged.

    Raises:
        ReportError: If the file has no ``epoch`` column or a value is not a number.
    """
    if not path.is_file():
        return {}
    values: dict[str, dict[float, list[float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if "epoch" not in (reader.fieldnames or ()):
            raise ReportError(f"{path}: expected a column 'epoch', got {reader.fieldnames}")
        for row in reader:
            for name, text in row.items():
                if name in ("epoch", "step") or not text:
                    continue
                try:
                    values.setdefault(name, {}).setdefault(float(row["epoch"]), []).append(float(text))
                except ValueError:
                    raise ReportError(
                        f"{path}, line {reader.line_num}: {name} = {text!r}, epoch = {row['epoch']!r}: not numbers"
                    ) from None
    return {
        name: [(epoch, sum(group) / len(group)) for epoch, group in sorted(by_epoch.items())]
        for name, by_epoch in values.items()
    }


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ReportError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ReportError(f"{where}: expected a JSON object, got {type(data).__name__}")
    return data
