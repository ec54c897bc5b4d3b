"""Latency of the file that would be deployed: a module is exported to ONNX and timed in ONNX Runtime."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_nas.cost.latency import MIN_RUNS, Latency, summarized, timed
from lightning_nas.cost.onnx_resize import teach_antialiasing
from lightning_nas.cost.probe import Call, evaluating
from lightning_nas.errors import ArgumentError, ExportError, MissingPackageError

OPSET = 18
WARMUP = 10


def exported_latency(
    module: nn.Module, call: Call, *, threads: int = 1, runs: int = MIN_RUNS, seconds: float = float("inf")
) -> Latency:
    """Times one image in ONNX Runtime on the CPU, with the module as the file that a user would deploy.

    The graph is optimised by ONNX Runtime as always: BatchNorm is folded into convolutions, for one. What a module does in
    plain Python besides, such as checks of its input, is not in the file.

    Args:
        module: Any module that can be exported.
        call: What its forward pass is given: tensors, or lists of tensors.
        threads: Of ONNX Runtime.
        runs: Timed passes, at least 100.
        seconds: After which no more passes are begun: fewer are timed then, but at least 10.

    Raises:
        MissingPackageError: If ONNX Runtime is not installed.
        ExportError: If the module cannot be exported, or its file not be run.
        ArgumentError: If ``threads`` is below 1 or ``runs`` below 100.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _require_range(threads, runs)
        _onnxruntime()
        export_onnx(module, call, path)
        return file_latency(path, _arrays(call), threads=threads, runs=runs, seconds=seconds)


def file_latency(
    path: str | os.PathLike[str],
    inputs: Sequence[np.ndarray[Any, Any]],
    *,
    threads: int = 1,
    runs: int = MIN_RUNS,
    seconds: float = float("inf"),
) -> Latency:
    """Times an ONNX file in ONNX Runtime on the CPU.

    Args:
        path: The file.
        inputs: One value of each input, in order: one image.
        threads: Of ONNX Runtime.
        runs: Timed passes, at least 100.
        seconds: After which no more passes are begun: fewer are timed then, but at least 10.

    Raises:
        MissingPackageError: If ONNX Runtime is not installed.
        ExportError: If the file cannot be run.
        ArgumentError: If ``threads`` is below 1 or ``runs`` below 100.
    """
    _require_range(threads, runs)
    session = session_of(path, threads=threads)
    try:
        named = {node.name: array for node, array in zip(session.get_inputs(), inputs, strict=True)}
        times = timed(lambda: session.run(None, named), warmup=WARMUP, runs=runs, seconds=seconds)
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"{path}: ONNX Runtime cannot run this file: {short(error)}") from error
    version = f"onnxruntime {_onnxruntime().__version__}"
    return summarized(times, device="cpu", batch_size=1, threads=threads, runtime=version, precision="float32")


def session_of(path: str | os.PathLike[str], *, threads: int = 1) -> Any:
    """An ONNX file in ONNX Runtime, on the CPU.

    Args:
        path: The file.
        threads: Of ONNX Runtime.

    Raises:
        MissingPackageError: If ONNX Runtime is not installed.
        ExportError: If it cannot read the file.
    """
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    try:
        return runtime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:  # ONNX Runtime's own errors are RuntimeErrors
        raise ExportError(f"{path}: ONNX Runtime cannot run this file: {short(error)}") from error


def _require_range(threads: int, runs: int) -> None:
    if threads < 1:
        raise ArgumentError(f"threads must be at least 1, got {threads}")
    if runs < MIN_RUNS:
        raise ArgumentError(f"runs must be at least {MIN_RUNS}, got {runs!r}")


def export_onnx(module: nn.Module, call: Call, path: str | os.PathLike[str]) -> None:
    """Writes a module as an ONNX file, traced with one example of its input.

    Detectors as torchvision has them, with the suppression of boxes inside, are only known to the exporter by tracing
    (``dynamo=False``), which fixes the size of the image.

    Args:
        module: Any module; its mode is as before afterwards.
        call: An example of what its forward pass is given.
        path: The file.

    Raises:
        ExportError: If it cannot be exported.
    """
    with evaluating(module), quiet_exporter():
        try:
            named = dict(call.kwargs) or None
            torch.onnx.export(module, call.args, os.fspath(path), kwargs=named, dynamo=False, opset_version=OPSET)
        except Exception as error:  # whatever the exporter meets in somebody's forward
            raise ExportError(f"{type(module).__name__} cannot be exported to ONNX: {short(error)}") from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            "latency is measured in ONNX Runtime, which is not installed: pip install 'lightning-nas[export]'"
        ) from error
    return onnxruntime


def _arrays(call: Call) -> list[np.ndarray[Any, Any]]:
    values: list[Any] = []
    for value in (*call.args, *call.kwargs.values()):
        values += value if isinstance(value, list | tuple) else [value]
    return [value.detach().cpu().numpy() for value in values if isinstance(value, Tensor)]


@contextlib.contextmanager
def quiet_exporter() -> Any:
    """The exporter warns of every constant that a trace fixes, and logs where it is; it learns to write antialiasing."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    teach_antialiasing()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def short(error: BaseException) -> str:
    """Type and beginning of an error of an exporter, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
