"""What to do after a run, as commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from lightning_nas.errors import ReportError
from lightning_nas.report.reading import FinishedRun
from lightning_nas.runs.contents import read_overrides
from lightning_nas.search.doctor import Diagnosis


def training_of(run: FinishedRun, architecture: Path, data: Sequence[str]) -> str:
    """The command that trains an architecture on the data of a run.

    Args:
        run: The search.
        architecture: What is to be trained.
        data: Settings of the data that the user gave.
    """
    settings = " ".join([f"task={run.summary['task']}", f"data={run.summary['data']}", *data])
    return f"lightning-nas train {settings} architecture={architecture}"


def ways_out(run: FinishedRun, diagnosis: Diagnosis) -> list[str]:
    """Commands that act on a diagnosis: train the proposed architecture, go on with a search that its guard has stopped.

    Args:
        run: The search.
        diagnosis: Of it.
    """
    given = read_overrides(run.folder.overrides, ReportError)
    commands = []
    if diagnosis.epoch is not None:
        data = [item for item in given if item.startswith("data.")]
        commands.append(training_of(run, run.folder.of_epoch(diagnosis.epoch), data))
    if run.history and run.history[-1].get("stopped") and given:
        kept = [item for item in given if not item.startswith(("strategy.guard", "continue_from"))]
        commands.append(
            shlex.join(["lightning-nas", "search", *kept, f"continue_from={run.folder}", "strategy.guard=null"])
            + "  # goes on where the guard stopped"
        )
    return commands
