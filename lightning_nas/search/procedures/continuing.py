"""Going on with a search that its guard has stopped, in a folder of its own and with another guard or none."""

from __future__ import annotations

import io
from typing import Any

import torch

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import JobError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import read_text
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.lightning.persistence import last_checkpoint, read_checkpoint


def take_over(stopped: RunFolder, run: RunFolder, module: SearchModule) -> None:
    """Puts what a stopped search has left into the folder of another one, which goes on from there as if it was interrupted.

    Weights, optimizers, schedules and random numbers are those after the last epoch, the logits those that the guard went back
    to. The guard's own measurements are left behind: that of the new search begins anew.

    Args:
        stopped: Folder of the search that its guard has stopped.
        run: Folder of the new one. Nothing is done where it has a checkpoint: it has been interrupted itself.
        module: Of the new one.

    Raises:
        JobError: If there is no search, or no guard has stopped it.
        ArgumentError: If it is of another space, model or strategy.
    """
    if last_checkpoint(run.path) is not None:
        return
    checkpoint = read_stopped(stopped)
    ours = checkpoint["lightning_nas"]
    del ours["strategy"]["parts"]["guard"]
    ours["continued"] = True
    module.require_same(ours)
    kept = {name: state for name, state in checkpoint["callbacks"].items() if "dirpath" not in state}
    checkpoint["callbacks"] = kept  # those that write checkpoints begin in another folder
    for old, new in ((stopped.history, run.history), (stopped.metrics, run.metrics)):
        if old.is_file():
            write_atomic(new, read_text(old))
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    write_atomic(run.last_checkpoint, buffer.getbuffer())


def read_stopped(stopped: RunFolder) -> dict[str, Any]:
    """The checkpoint of a search that its guard has stopped.

    Args:
        stopped: Its folder.

    Raises:
        JobError: If there is no search, or no guard has stopped it.
        CheckpointError: If its checkpoint is damaged.
    """
    said = f"continue_from = {stopped}"
    if not stopped.last_checkpoint.is_file():
        raise JobError(f"{said}: expected a search by gradients, {stopped.last_checkpoint} is missing")
    checkpoint = read_checkpoint(stopped.last_checkpoint)
    ours = checkpoint.get("lightning_nas", {})
    if ours.get("strategy", {}).get("parts", {}).get("guard", {}).get("stopped") is None:
        raise JobError(f"{said}: expected a search that its guard has stopped, and none has")
    if "unguarded" not in ours:
        raise JobError(f"{said}: the search was made by an earlier version: start it anew")
    return checkpoint
