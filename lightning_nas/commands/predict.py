"""``predict``: the network of a finished run or of an exported model, on images of which nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from lightning_nas.errors import ConfigError
from lightning_nas.models import build_task, read_model
from lightning_nas.models.of_run import record_of_run
from lightning_nas.runs import RunFolder


def run(config: DictConfig) -> Path:
    """Loads the trained network of ``config.model`` (or ``config.run``) and lets its task predict ``config.images``.

    The model may be a stranger's: it is built from classes of this package and those that ``config.allow`` names, its weights
    are read as tensors.

    The task's ``predict_folder(images, out, classes, *, batch_size, preparation, skip_invalid)`` is called with the folders,
    what is known of the classes and of how images were brought to the network, and two keys of the config.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: If model or images are not there, the task has no ``predict_folder``, or the model names a class of others.
    """
    if config.run and config.model:
        raise ConfigError(f"run = {config.run!r} and model = {config.model!r} are given: name one of them")
    for key in ("images",) if config.model else ("run", "images"):
        if not config[key]:
            also = " (or model=<run or exported model>)" if key == "run" else ""
            raise ConfigError(f"{key} = null: name a folder, e.g. {key}=<folder>{also}")
        if not Path(config[key]).is_dir():
            raise ConfigError(f"{key} = {config[key]!r}: there is no such folder")
    if config.batch_size < 1:
        raise ConfigError(f"batch_size = {config.batch_size}: expected at least 1")
    if config.model:
        named = f"model = {config.model!r}"
        record, weights = read_model(config.model)
        home = Path(config.model) if Path(config.model).is_dir() else Path(config.model).parent
    else:
        named, home = f"run = {config.run!r}", Path(config.run)
        record, weights = record_of_run(RunFolder(home), named)
    out = Path(config.out) if config.out else RunFolder(home).predictions
    if out.resolve() == Path(config.images).resolve():
        raise ConfigError(f"out = {str(out)!r} is the folder of the images: name another one")
    task: Any = build_task(record, weights, config.allow)
    if not hasattr(task, "predict_folder"):
        raise ConfigError(f"{named}: its task, {record.task['name']}, cannot predict folders of images")
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    task.to(device).eval()
    task.predict_folder(
        Path(config.images),
        out,
        [dict(entry) for entry in record.classes],
        batch_size=config.batch_size,
        preparation=record.preparation,
        skip_invalid=config.skip_invalid,
    )
    print(f"predictions: {out}")
    return out
