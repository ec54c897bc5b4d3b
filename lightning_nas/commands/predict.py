"""``predict``: the network of a finished run, on images of which nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightning_nas.architecture import Architecture
from lightning_nas.commands.components import evaluated_task
from lightning_nas.commands.saved import read_config
from lightning_nas.commands.trust import require_own_classes
from lightning_nas.errors import ConfigError
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.report.earlier import task_arguments_of_earlier
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Summary, checked, read_text
from lightning_nas.search.tasks import bound_task


def run(config: DictConfig) -> Path:
    """Loads the trained network of ``config.run`` and lets its task predict the images of ``config.images``.

    The run may be a stranger's: its config is built from classes of this package and those that ``config.allow`` names, its
    checkpoint is read as tensors.

    The task's ``predict_folder(images, out, classes, *, batch_size, preparation, skip_invalid)`` is called with the folders,
    what the run's summary says of the classes and of how images were brought to the network, and two keys of the config.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: If run or images are not there, the task of the run has no ``predict_folder``, or its config names a class
            of others.
    """
    for key in ("run", "images"):
        if not config[key]:
            raise ConfigError(f"{key} = null: name a folder, e.g. {key}=<folder>")
        if not Path(config[key]).is_dir():
            raise ConfigError(f"{key} = {config[key]!r}: there is no such folder")
    if config.batch_size < 1:
        raise ConfigError(f"batch_size = {config.batch_size}: expected at least 1")
    folder = RunFolder(config.run)
    for file in (folder.architecture, folder.summary, folder.config):
        if not file.is_file():
            raise ConfigError(f"run = {config.run!r}: there is no {folder.named(file)}, so it is no finished run")
    saved, summary = _saved(folder)
    checkpoint = folder.trained_weights
    if checkpoint is None:
        missing = folder.found.last_checkpoint if folder.is_search else folder.last_checkpoint
        raise ConfigError(f"run = {config.run!r}: there is no {folder.named(missing)}, the trained network")
    try:
        named = dict(saved.task) if folder.front_record.is_file() else evaluated_task(saved)
        node: Any = OmegaConf.to_container(OmegaConf.create(named), resolve=True)
    except (OmegaConfBaseException, TypeError) as error:
        raise ConfigError(f"{folder.config}: not a config of a run: {' '.join(str(error).split())}") from None
    require_own_classes(node, "task", config.allow)
    arguments = summary.get("task_arguments", task_arguments_of_earlier(summary))
    backbone = build_network(Architecture.load(folder.architecture))
    try:
        task: Any = bound_task(instantiate(node), arguments)(backbone)
    except Exception as error:
        if str(node["_target_"]) in config.allow:  # it says itself what is wrong
            raise
        cause = error.__cause__ or error
        said = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
        raise ConfigError(f"{folder.config}: no task can be built of it: {said}") from error
    if not hasattr(task, "predict_folder"):
        raise ConfigError(f"run = {config.run!r}: its task, {summary['task']}, cannot predict folders of images")
    try:
        task.load_state_dict(read_state_dict(checkpoint))
    except RuntimeError as error:
        raise ConfigError(
            f"{checkpoint}: the weights of another network: {' '.join(str(error).split())[:300]}"
        ) from None
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    out = Path(config.out) if config.out else folder.predictions
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


def _saved(run: RunFolder) -> tuple[DictConfig, dict[str, Any]]:
    """Config and summary of a run.

    Raises:
        ConfigError: Naming the file that is not what it should be.
    """
    saved = read_config(run.config)
    if not isinstance(saved.get("task"), DictConfig):
        raise ConfigError(f"{run.config}: not a config of a run: there is no task")
    summary = checked(read_text(run.summary, ConfigError), Summary, str(run.summary), ConfigError)
    if "classes" not in summary:
        raise ConfigError(f"{run.summary}: not a summary of a run that knows its classes: there are no 'classes'")
    return saved, summary
