"""What an exported file reaches: it stands for the task in the task's own test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from lightning_nas.cost.exported import session_of
from lightning_nas.errors import ExportError
from lightning_nas.models.deployment import Deployment, Run
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.presentation import Presentation


def tested_file(task: Any, deployment: Deployment, file: Path, datamodule: Any) -> tuple[str, float]:
    """Name and value of the metric that decides, of a file in ONNX Runtime on the test images.

    Args:
        task: Of the network, on the CPU.
        deployment: What was exported.
        file: Of ONNX.
        datamodule: With the test images.

    Raises:
        ExportError: If the file cannot stand for the task.
    """
    if deployment.forward is None:
        raise ExportError(f"{type(task).__name__} looks at an image in other ways than its file: that cannot be tested")
    with TemporaryDirectory() as folder, standing_for(task, deployment.forward, running(file)):
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False,
            default_root_dir=folder,
        )  # fmt: skip
        (metrics,) = trainer.test(task, datamodule=datamodule, verbose=False)
    known = {name.removeprefix("test/"): float(value) for name, value in metrics.items()}
    name, _ = Presentation.of(task).deciding(known)
    return name, known[name]


@contextlib.contextmanager
def standing_for(task: Any, forward: Callable[[Run, Any], Any], run: Run) -> Iterator[None]:
    """Inside, a function answers instead of a task's network.

    Args:
        task: The task.
        forward: Of a :class:`Deployment`.
        run: Inputs -> outputs.
    """
    task.forward = lambda given: forward(run, given)
    try:
        yield
    finally:
        del task.forward


def running(file: Path) -> Run:
    """A file of ONNX as a function, in ONNX Runtime on the CPU."""
    session = session_of(file, threads=torch.get_num_threads())
    names = [node.name for node in session.get_inputs()]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        arrays = {name: value.detach().cpu().numpy() for name, value in zip(names, inputs, strict=True)}
        return tuple(torch.from_numpy(output) for output in session.run(None, arrays))

    return run
