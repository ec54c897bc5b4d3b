"""``export``: a trained network as files that are ready to use; of a front the best one within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from omegaconf import DictConfig

from lightning_nas.commands.file_tests import calibrated, data_of, eight_bits, runs_onnx, tested
from lightning_nas.cost import Latency
from lightning_nas.cost.exported import file_latency
from lightning_nas.errors import ConfigError
from lightning_nas.models import Model, load_model
from lightning_nas.models.formats import checked_formats, require_packages, write_formats
from lightning_nas.models.front import FrontNetwork, load_front
from lightning_nas.report.exported import model_folder
from lightning_nas.report.page import build as build_report
from lightning_nas.runs import ModelFolder, RunFolder

LIMITS = ("latency_ms", "macs", "params")
SECONDS = 5.0
"""For the latency of a file."""


def run(config: DictConfig) -> Path:
    """Writes a trained network in the formats that were asked for, with its record.

    Of a front it is the network with the best metric that keeps all limits. Latency is that of the whole network's ONNX file
    in ONNX Runtime, with all before and after the network, measured here and now: the networks are tried from the best on,
    until one is fast enough.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: If no network keeps the limits, or the run has not finished.
        MissingPackageError: If a package is missing that a format needs.
        ExportError: If the network cannot be exported.
    """
    formats = _checked(config)
    source = config.run or config.model
    size = None if config.size is None else (int(config.size[0]), int(config.size[1]))
    limits = {name: config[name] for name in LIMITS if config[name] is not None}
    with TemporaryDirectory() as place:
        ready = ModelFolder(place)
        if RunFolder(source).front_record.is_file():
            model, latency, name = _best(list(load_front(source)), config, size, ready)
        elif limits:
            raise ConfigError(
                f"{limits}: limits choose among the networks of a front; {source} is no finished search with strategy=elastic"
            )
        else:
            model, latency, name = load_model(source, allow=config.allow), None, str(source)
        home = Path(source) if Path(source).is_dir() else Path(source).parent
        out = ModelFolder(config.out or RunFolder(home).export)
        out.path.mkdir(parents=True, exist_ok=True)
        files = {"onnx": out.onnx, "torch": out.program, "torchscript": out.torchscript}
        known = write_formats(model.task, model.record, {kind: files[kind] for kind in formats if kind in files}, size)
    reached = None
    if "onnx" in known:
        reached = tested(model, model.deployment(size), out.onnx, config)
        if reached is not None:
            known["onnx"]["tested"] = reached
        if latency is None and runs_onnx():
            latency = _latency(model, out.onnx, size, config.threads)
    if latency is not None:
        known.setdefault("onnx", {"file": out.onnx.name})["latency"] = asdict(latency)
    if config.int8:
        known["onnx_int8"] = _int8(model, out, size, config, None if reached is None else reached["value"])
    model.record = model.record.with_files(**known)
    if "safetensors" in formats:
        model.save(out.path)
    else:
        model.record.save(out.record)
    model.record.architecture.save(RunFolder(out.path).architecture)
    print(f"network:  {name}{_reached(model)}")
    print(f"cost:     {_cost(model, latency)}")
    print(f"exported: {out}: {', '.join(formats)}")
    _reported(RunFolder(home), out)
    return out.path


def _checked(config: DictConfig) -> tuple[str, ...]:
    """The formats; everything else is looked at as well.

    Raises:
        ConfigError: Naming the key.
    """
    if bool(config.run) == bool(config.model):
        given = f"run = {config.run!r} and model = {config.model!r} are given" if config.run else "run = null"
        raise ConfigError(
            f"{given}: name the folder of a search or a training, e.g. run=<folder>, or model=<exported folder>"
        )
    for name in (*LIMITS, "threads", "int8_images"):
        if config[name] is not None and config[name] <= 0:
            raise ConfigError(f"{name} = {config[name]}: expected a positive number")
    if config.size is not None and (len(config.size) != 2 or min(config.size) < 1):
        raise ConfigError(f"size = {list(config.size)}: expected height and width, both positive")
    if not config.format:
        raise ConfigError("format = []: expected one at least")
    if config.int8:
        require_packages("int8 = true", ("onnx", "onnxruntime"))
        if "onnx" not in config.format:
            raise ConfigError(f"int8 = true: format = {list(config.format)} holds no onnx, of which it is made")
        data_of(config, "int8 = true")
    if config.latency_ms is not None:
        require_packages(f"latency_ms = {config.latency_ms}", ("onnx", "onnxruntime"))
    return checked_formats(config.format)


def _best(
    networks: Sequence[FrontNetwork], config: DictConfig, size: tuple[int, int] | None, place: ModelFolder
) -> tuple[Model, Latency | None, str]:
    """The best network that keeps the limits, its latency if that was limited, and what to call it."""
    kept = [one for one in networks if all(_keeps(getattr(one, name), config[name]) for name in ("macs", "params"))]
    if not kept:
        least = {name: min(getattr(one, name) for one in networks) for name in ("macs", "params")}
        raise ConfigError(
            f"macs = {config.macs}, params = {config.params}: no network keeps both; the least are {least}"
        )
    measured = []
    for network in sorted(kept, key=lambda one: -one.metric):
        model, name = load_model(network.folder.path, allow=config.allow), f"front/{network.number}"
        if config.latency_ms is None:
            return model, None, name
        write_formats(model.task, model.record, {"onnx": place.onnx}, size)
        latency = _latency(model, place.onnx, size, config.threads)
        measured.append(latency.median_ms)
        if _keeps(latency.median_ms, config.latency_ms):
            return model, latency, name
    raise ConfigError(
        f"latency_ms = {config.latency_ms}: no network of the front is that fast here; the fastest takes {min(measured):.2f} ms"
    )


def _latency(model: Model, file: Path, size: tuple[int, int] | None, threads: int) -> Latency:
    inputs: list[np.ndarray[Any, Any]] = [value[:1].numpy() for value in model.deployment(size).example]
    return file_latency(file, inputs, threads=threads, seconds=SECONDS)


def _reached(model: Model) -> str:
    metric = model.record.metric
    if metric is None or metric["value"] is None:
        return ""
    return f", {metric['name']} {metric['value']:.4f} on the {metric['on']}"


def _cost(model: Model, latency: Latency | None) -> str:
    cost = model.record.cost
    counted = f"{cost['params']:,} parameters, {cost['macs']:,} multiply-adds" if cost else "not counted"
    return counted if latency is None else f"{counted}, {latency}"


def _int8(
    model: Model, out: ModelFolder, size: tuple[int, int] | None, config: DictConfig, float32: float | None
) -> dict[str, Any]:
    """Writes the file in 8 bits; what there is to know of it."""
    deployment = model.deployment(size)
    count = calibrated(deployment, out, config)
    latency = _latency(model, out.onnx_int8, size, config.threads)
    known = eight_bits(model, deployment, out, config, latency, float32)
    return {"file": out.onnx_int8.name, "calibrated_on": count, **known}


def _reported(run: RunFolder, out: ModelFolder) -> None:
    """Writes the report of a run anew, which states what was measured of its exported file."""
    if run.report.is_file() and run.summary.is_file() and model_folder(run).path == out.path:
        print(f"report:   {build_report(run.path)}")


def _keeps(cost: float, limit: float | None) -> bool:
    return limit is None or cost <= limit
