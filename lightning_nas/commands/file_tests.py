"""What exported files reach: they stand for the network in the task's own test, on the data of its run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lightning_nas.cost import Latency
from lightning_nas.errors import ConfigError, NasError
from lightning_nas.models import Deployment, Model
from lightning_nas.models.formats import require_packages
from lightning_nas.models.int8 import quantised
from lightning_nas.models.measured import tested_file
from lightning_nas.runs import ModelFolder, RunFolder
from lightning_nas.runs.plain_config import built, part, read_plain
from lightning_nas.runs.trust import require_own_classes


def data_of(config: DictConfig, asked: str) -> Any:
    """The data of the run whose network is exported.

    Args:
        config: Of the command.
        asked: What needs them, for messages.

    Raises:
        ConfigError: If there is no run, or its config names a class of others.
    """
    named = Path(config.run or config.model)
    run = next((one for one in (RunFolder(named), RunFolder(named.parent.parent)) if one.config.is_file()), None)
    if run is None:
        raise ConfigError(f"{asked}: {named} is no run whose data are known: name one with run=<folder>")
    node: Any = part(read_plain(run.config), "data", run.config)
    require_own_classes(node, "data", config.allow)
    return built(node, "data", config.allow)


def runs_onnx() -> bool:
    """Whether files can be run here."""
    try:
        require_packages("latency", ("onnxruntime",))
    except ImportError:
        return False
    return True


def tested(model: Model, deployment: Deployment, file: Path, config: DictConfig) -> dict[str, Any] | None:
    """What the ONNX file reaches on the test images of its run; None, and a line that says why, where that is not known.

    Args:
        model: That was exported.
        deployment: Of the model.
        file: Of ONNX.
        config: Of the command.
    """
    if not config.test:
        return None
    if not runs_onnx():
        print("tested:   no, as onnxruntime is not installed: pip install 'lightning-nas[export]'")
        return None
    try:
        metric, value = tested_file(model.task, deployment, file, data_of(config, "test = true"))
    except NasError as error:  # the data may be elsewhere by now; the file is good all the same
        print(f"tested:   no: {error}")
        return None
    known = model.record.metric
    before = ""
    if known is not None and known["name"] == metric and known["value"] is not None:
        before = f" ({known['value']:.4f} on the {known['on']} before)"
    print(f"tested:   {file.name} in ONNX Runtime: {metric} {value:.4f} on the test images{before}")
    return {"metric": metric, "value": value, "on": "test images"}


def eight_bits(
    model: Model, deployment: Deployment, out: ModelFolder, config: DictConfig, latency: Latency, float32: float | None
) -> dict[str, Any]:
    """Tests the file in 8 bits; what there is to know of it, with what both files reach on the test images.

    Args:
        model: That was exported.
        deployment: Of the model.
        out: Holds both files.
        config: Of the command.
        latency: Of the file in 8 bits.
        float32: What the other file reaches, if that is known.
    """
    datamodule = data_of(config, "int8 = true")
    metric, value = tested_file(model.task, deployment, out.onnx_int8, datamodule)
    reached = {"int8": value}
    reached["float32"] = tested_file(model.task, deployment, out.onnx, datamodule)[1] if float32 is None else float32
    sizes = " ".join(f"{file.stat().st_size / 2**20:.2f}" for file in (out.onnx, out.onnx_int8)).replace(" ", " to ")
    print(f"int8:     {metric} {reached['int8']:.4f} on the test images, {reached['float32']:.4f} in 32 bits")
    print(f"          {sizes} MiB, {latency}")
    return {"metric": metric, "on": "test images", "reached": reached, "latency": asdict(latency)}


def calibrated(deployment: Deployment, out: ModelFolder, config: DictConfig) -> int:
    """Writes the file in 8 bits; on how many images it was calibrated."""
    datamodule = data_of(config, "int8 = true")
    return quantised(out.onnx, out.onnx_int8, deployment, datamodule, images=config.int8_images)
