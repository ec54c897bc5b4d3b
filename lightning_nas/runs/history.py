"""The history of a gradient search: a line per epoch, and the architecture that the logits pointed to in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_nas.errors import NasError, RunFolderError
from lightning_nas.runs.contents import Epoch, checked, read_text
from lightning_nas.runs.folder import RunFolder


def read_history(path: Path, refuse: Callable[[str], NasError] = RunFolderError) -> tuple[Mapping[str, Any], ...]:
    """The epochs of a search, ascending; a resumed run may repeat an epoch, the last line counts.

    Args:
        path: The file; none if it is not there.
        refuse: Makes the error.

    Raises:
        NasError: Naming the file and the line that is malformed.
    """
    if not path.exists():
        return ()
    epochs: dict[int, Mapping[str, Any]] = {}
    for number, line in enumerate(read_text(path, refuse).splitlines(), start=1):
        entry = checked(line, Epoch, f"{path}, line {number}", refuse)
        epochs[entry["epoch"]] = entry
    return tuple(epochs[epoch] for epoch in sorted(epochs))


def choices_of_epoch(run: RunFolder, epoch: int) -> dict[str, str | int]:
    """What the logits of a search pointed to after an epoch.

    Args:
        run: Folder of the search.
        epoch: Its number, from 0 on.

    Raises:
        RunFolderError: If the search has no such epoch, or its architecture was not recorded.
    """
    history = read_history(run.history)
    for line in history:
        if line["epoch"] == epoch and line.get("choices"):
            return dict(line["choices"])
    known = [line["epoch"] for line in history if line.get("choices")]
    said = f"architectures of epochs {known[0]} to {known[-1]}" if known else "no architectures of epochs"
    raise RunFolderError(f"{run.of_epoch(epoch)}: {run.named(run.history)} holds {said}")
