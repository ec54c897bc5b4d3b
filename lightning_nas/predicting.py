"""The network of a finished run, on images of which nothing is known."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from lightning_nas.architecture import Architecture
from lightning_nas.comparison import evaluated_task
from lightning_nas.config import ConfigError
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.run_weights import FOUND, TRAINED, is_search, trained_weights
from lightning_nas.networks.weights import read_state_dict


def predict_folder(config: DictConfig) -> Path:
    """Loads the trained network of ``config.run`` and lets its task predict the images of ``config.images``.

    The task's ``predict_folder(images, out, classes, *, batch_size, preparation, skip_invalid)`` is called with the folders,
    what the run's summary says of the classes and of how images were brought to the network, and two keys of the config.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: If run or images are not there, or the task of the run has no ``predict_folder``.
    """
    for key in ("run", "images"):
        if not config[key]:
            raise ConfigError(f"{key} = null: name a folder, e.g. {key}=<folder>")
        if not Path(config[key]).is_dir():
            raise ConfigError(f"{key} = {config[key]!r}: there is no such folder")
    if config.batch_size < 1:
        raise ConfigError(f"batch_size = {config.batch_size}: expected at least 1")
    run = Path(config.run)
    for name in ("architecture.json", "summary.json", ".hydra/config.yaml"):
        if not (run / name).is_file():
            raise ConfigError(f"run = {config.run!r}: there is no {name}, so it is no finished run")
    saved = OmegaConf.load(run / ".hydra" / "config.yaml")
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert isinstance(saved, DictConfig)
    checkpoint = trained_weights(run)
    if checkpoint is None:
        raise ConfigError(
            f"run = {config.run!r}: there is no {FOUND if is_search(run) else TRAINED}, the trained network"
        )
    task = evaluated_task(saved)(
        backbone=build_network(Architecture.load(run / "architecture.json")), num_classes=len(summary["classes"])
    )
    if not hasattr(task, "predict_folder"):
        raise ConfigError(f"run = {config.run!r}: its task, {summary['task']}, cannot predict folders of images")
    task.load_state_dict(read_state_dict(checkpoint))
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    out = Path(config.out) if config.out else run / "predictions"
    if out.resolve() == Path(config.images).resolve():
        raise ConfigError(f"out = {str(out)!r} is the folder of the images: name another one")
    task.to(device).eval()
    task.predict_folder(
        Path(config.images),
        out,
        summary["classes"],
        batch_size=config.batch_size,
        preparation=summary.get("preparation", {}),
        skip_invalid=config.skip_invalid,
    )
    print(f"predictions: {out}")
    return out
