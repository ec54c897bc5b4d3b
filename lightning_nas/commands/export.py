"""``export``: the best network of a front within limits, as files that are ready to use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from omegaconf import DictConfig

from lightning_nas.architecture import write_atomic
from lightning_nas.commands.front import FrontNetwork, load_front
from lightning_nas.cost import Latency, export_onnx, exported_latency
from lightning_nas.errors import ConfigError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Summary, checked, read_text
from lightning_nas.search.costs import working_call

LIMITS = ("latency_ms", "macs", "params")


def run(config: DictConfig) -> Path:
    """Writes the network with the best metric that keeps all limits.

    Latency is that of the whole network's ONNX file in ONNX Runtime, measured here and now: the networks are tried from the
    best on, until one is fast enough. The folder then holds ``model.onnx``, ``model.safetensors`` (the weights of the whole
    task), ``architecture.json`` and ``export.json``: metric, cost, latency, classes and how images are prepared.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: If no network keeps the limits, or the run has not finished.
        ExportError: If the network cannot be exported.
    """
    if not config.run:
        raise ConfigError("run = null: name the folder of a search with strategy=elastic, e.g. run=<folder>")
    for name in (*LIMITS, "threads"):
        if config[name] is not None and config[name] <= 0:
            raise ConfigError(f"{name} = {config[name]}: expected a positive number")
    front, folder = load_front(config.run), RunFolder(config.run)
    if not folder.summary.is_file():
        raise ConfigError(f"run = {config.run!r}: there is no {folder.named(folder.summary)}: the run has not finished")
    summary = checked(read_text(folder.summary), Summary, str(folder.summary))
    with TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        network, latency = _best(list(front), config, summary, path)
        out = Path(config.out) if config.out else folder.export
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / "model.onnx", path.read_bytes())
    shutil.copyfile(network.folder.weights, out / "model.safetensors")
    network.architecture.save(RunFolder(out).architecture)
    record = {
        "metric": {front.metric: network.metric},
        "macs": network.macs,
        "params": network.params,
        "latency": asdict(latency),
        "input_size": summary["cost"]["input_size"],
        "classes": summary.get("classes", []),
        "preparation": summary.get("preparation", {}),
        "run": str(config.run),
        "number": network.number,
    }
    write_atomic(out / "export.json", json.dumps(record, indent=2) + "\n")
    print(f"network:  front/{network.number}, {front.metric} {network.metric:.4f} on the validation images")
    print(f"cost:     {network.params:,} parameters, {network.macs:,} multiply-adds, {latency}")
    print(f"exported: {out}")
    return out


def _best(
    networks: Sequence[FrontNetwork], config: DictConfig, summary: dict[str, Any], path: Path
) -> tuple[FrontNetwork, Latency]:
    """The best network that keeps the limits, exported to a path, and its latency."""
    kept = [one for one in networks if all(_keeps(getattr(one, name), config[name]) for name in ("macs", "params"))]
    if not kept:
        least = {name: min(getattr(one, name) for one in networks) for name in ("macs", "params")}
        raise ConfigError(
            f"macs = {config.macs}, params = {config.params}: no network keeps both; the least are {least}"
        )
    size = summary["cost"].get("input_size")
    if size is None:
        raise ConfigError(f"run = {config.run!r}: its summary does not say for which size of image cost was counted")
    images = SimpleNamespace(in_channels=size[0], image_size=tuple(size[1:]))
    measured = []
    for network in sorted(kept, key=lambda one: -one.metric):
        model = network.model(allow=config.allow)
        call = working_call(model, images)
        latency = exported_latency(model, call, threads=config.threads)
        measured.append(latency.median_ms)
        if _keeps(latency.median_ms, config.latency_ms):
            export_onnx(model, call, path)
            return network, latency
    raise ConfigError(
        f"latency_ms = {config.latency_ms}: no network of the front is that fast here; the fastest takes {min(measured):.2f} ms"
    )


def _keeps(cost: float, limit: float | None) -> bool:
    return limit is None or cost <= limit
