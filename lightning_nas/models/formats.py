"""The files that a whole network is written to, and what each needs."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lightning_nas.architecture import write_atomic
from lightning_nas.cost.exported import OPSET, quiet_exporter, short
from lightning_nas.cost.probe import evaluating
from lightning_nas.errors import ArgumentError, ExportError, MissingPackageError
from lightning_nas.models.deployment import Deployment, deployment_of
from lightning_nas.models.record import ModelRecord

ENDINGS = {"onnx": ".onnx", "torch": ".pt2", "torchscript": ".torchscript"}
"""Name of a format -> ending of its file. ``safetensors`` is a folder."""

FORMATS = (*ENDINGS, "safetensors")

NEEDS = {"onnx": ("onnx",)}
"""Packages of a format that are not installed with the library."""


def checked_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """The formats, if they are known and what they need is installed.

    Raises:
        ArgumentError: If one is unknown.
        MissingPackageError: If a package is missing.
    """
    wanted = tuple(dict.fromkeys(formats))
    for name in wanted:
        if name not in FORMATS:
            raise ArgumentError(f"format = {name!r}: expected some of {', '.join(FORMATS)}")
        require_packages(f"format = {name!r}", NEEDS.get(name, ()))
    return wanted


def require_packages(said: str, packages: Iterable[str]) -> None:
    """Refuses what needs a package that is not installed.

    Args:
        said: What was asked for, for messages.
        packages: Names of modules.

    Raises:
        MissingPackageError: Naming the package, and how to install it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackageError(
                f"{said} needs {package}, which is not installed: pip install 'lightning-nas[export]'"
            )


def format_of(path: Path) -> str:
    """The format of a file by its ending.

    Raises:
        ArgumentError: If it is another one.
    """
    for name, ending in ENDINGS.items():
        if path.suffix.lower() == ending:
            return name
    raise ArgumentError(f"path = {str(path)!r}: expected a folder, or an ending of {', '.join(ENDINGS.values())}")


def write_formats(
    task: Any, record: ModelRecord, files: Mapping[str, Path], size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Writes a network in several formats.

    Args:
        task: With its trained weights, on the CPU or not.
        record: What is known of it; a file of ONNX holds it among its metadata.
        files: Name of a format -> where to write.
        size: Height and width of the images; None: what suits the model.

    Returns:
        What there is to know of each file.

    Raises:
        ExportError: If the network cannot be exported.
    """
    home = next((p.device for p in task.parameters()), torch.device("cpu"))
    task.to("cpu")
    try:
        with evaluating(task), _frozen(task):
            deployment = deployment_of(task, record, size)
            return {name: _write(name, deployment, record, path) for name, path in files.items()}
    finally:
        task.to(home)


@contextlib.contextmanager
def _frozen(task: Any) -> Iterator[None]:
    """A file is there to be used: what it computes asks for no gradients."""
    trained = [parameter for parameter in task.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _write(name: str, deployment: Deployment, record: ModelRecord, path: Path) -> dict[str, Any]:
    writers: dict[str, Callable[[Deployment, ModelRecord, str], None]] = {
        "onnx": _onnx, "torch": _program, "torchscript": _torchscript,
    }  # fmt: skip
    with TemporaryDirectory() as folder, quiet_exporter(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = os.path.join(folder, f"network{ENDINGS[name]}")
        try:
            writers[name](deployment, record, file)
        except Exception as error:  # whatever an exporter meets in somebody's forward
            raise ExportError(f"format = {name!r}: the network cannot be exported: {short(error)}") from error
        write_atomic(path, Path(file).read_bytes())
    sizes = {
        name: [axes.get(index, side) for index, side in enumerate(value.shape)]
        for name, value in zip(deployment.inputs, deployment.example, strict=True)
        for axes in (deployment.dynamic.get(name, {}),)
    }
    return {"file": path.name, "inputs": sizes, "outputs": list(deployment.outputs), **deployment.notes}


def _onnx(deployment: Deployment, record: ModelRecord, file: str) -> None:
    import onnx

    torch.onnx.export(
        deployment.module, deployment.example, file, dynamo=False, opset_version=OPSET,
        input_names=list(deployment.inputs), output_names=list(deployment.outputs),
        dynamic_axes={name: dict(axes) for name, axes in deployment.dynamic.items()},
    )  # fmt: skip
    model = onnx.load(file)
    onnx.checker.check_model(model)
    about = {
        "task": record.task["name"],
        "classes": json.dumps([dict(entry) for entry in record.classes], ensure_ascii=False),
        "preparation": json.dumps(dict(record.preparation)),
        "notes": json.dumps(dict(deployment.notes)),
    }
    onnx.helper.set_model_props(model, about)
    onnx.save(model, file)


def _program(deployment: Deployment, record: ModelRecord, file: str) -> None:
    dynamic = tuple(
        dict.fromkeys(deployment.dynamic.get(name, {}), torch.export.Dim.DYNAMIC) for name in deployment.inputs
    )
    within = deployment.export_within or contextlib.nullcontext
    with within():
        program = torch.export.export(
            deployment.module,
            deployment.example,
            dynamic_shapes=dynamic,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
    torch.export.save(program, file)


def _torchscript(deployment: Deployment, record: ModelRecord, file: str) -> None:
    torch.jit.save(torch.jit.trace(deployment.module, deployment.example, check_trace=False), file)
