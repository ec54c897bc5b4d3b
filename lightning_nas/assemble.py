"""Pieces of a run that several commands need: checks, seeds, the Trainer, the architecture that was named."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler
from pytorch_lightning.callbacks import RichProgressBar, Timer
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from lightning_nas.architecture import Architecture
from lightning_nas.config import ConfigError, check_component
from lightning_nas.networks.backbone import load_weights
from lightning_nas.networks.inherit import inherit_from_run
from lightning_nas.networks.transfer import load_backbone_weights
from lightning_nas.run_record import claim
from lightning_nas.search.finite import FiniteTraining
from lightning_nas.search.persistence import ContinuedCSVLogger, LastCheckpoint
from lightning_nas.spaces import Backbone, SearchSpace
from lightning_nas.spaces.published import published, published_names


def prepare(config: DictConfig, components: list[str]) -> Path:
    """Checks the components of a config, claims the run folder, seeds all generators.

    Returns:
        The run folder.

    Raises:
        ConfigError: If a component or a value cannot be run, or the folder holds a run of another command.
    """
    for name in components:
        check_component(config[name], name)
    hydra = HydraConfig.get()
    if hydra.mode is not None and hydra.mode.name == "MULTIRUN" and config.trainer.devices not in (1, "1", "auto"):
        raise ConfigError(
            f"trainer.devices = {config.trainer.devices!r}: multirun jobs run on one device each, because the ranks that "
            "Lightning starts would each start the sweep again; start the jobs one by one, or use trainer.devices=1"
        )
    folder = Path(hydra.runtime.output_dir)
    claim(config, folder)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    return folder


def named_architecture(config: DictConfig) -> Architecture:
    """The architecture that ``config.architecture`` names: a file or a published name.

    Raises:
        ConfigError: If there is neither.
    """
    if not config.architecture:
        raise ConfigError(
            "architecture = null: name the architecture.json of a search or a published one: "
            + ", ".join(published_names())
        )
    if config.architecture in published_names():
        return published(config.architecture)
    if not Path(config.architecture).is_file():
        raise ConfigError(
            f"architecture = {config.architecture!r}: neither a file nor a published name ({', '.join(published_names())})"
        )
    return Architecture.load(config.architecture)


def make_data(config: DictConfig) -> Any:
    """The data module; says at once if its data are generated."""
    datamodule = instantiate(config.data)
    if getattr(datamodule, "generated", False):
        print("note: the data of this run are generated, not real")
    return datamodule


def make_sampler(node: DictConfig, space: SearchSpace, seed: int) -> BaseSampler:
    """The Optuna sampler of a strategy's config: ours are called with the space, Optuna's own know none.

    Args:
        node: The config of the strategy.
        space: The search space.
        seed: Of its draws, instead of the config's.
    """
    built = instantiate(node, seed=seed)
    sampler: BaseSampler = built(space) if isinstance(built, functools.partial) else built
    return sampler


def make_space(config: DictConfig, in_channels: int) -> SearchSpace:
    """The search space for images with so many channels."""
    node = OmegaConf.to_container(config, resolve=True)
    assert isinstance(node, dict)
    for part in node["parts"].values() if "parts" in node else (node,):
        if "in_channels" in part:
            part["in_channels"] = in_channels
    space: SearchSpace = instantiate(node, _convert_="all")
    return space


def resized(architecture: Architecture, config: DictConfig, in_channels: int) -> Architecture:
    """An architecture with the changes of ``config.network`` and ``config.neck``, for images with so many channels.

    Raises:
        ConfigError: If ``config.part`` does not exist, or a neck is to be changed that there is not.
    """
    if config.part is not None:
        if config.part not in architecture.components:
            raise ConfigError(f"part = {config.part!r}: the architecture has {sorted(architecture.components)}")
        architecture = Architecture({config.part: architecture.components[config.part]}, architecture.provenance)
    changes: dict[str, Any] = {key: OmegaConf.to_container(config[key], resolve=True) for key in ("network", "neck")}
    if changes["neck"] and "neck" not in architecture.components:
        raise ConfigError(f"neck = {changes['neck']}: the architecture has no neck; use task.neck and task.channels")
    if changes["neck"]:
        architecture = architecture.with_args("neck", **changes["neck"])
    return architecture.with_args("backbone", **changes["network"], in_channels=in_channels)


def start_from(network: Backbone, architecture: Architecture, config: DictConfig) -> None:
    """Fills a network with the weights that ``weights``, ``backbone_weights`` or ``inherit`` name, if any.

    Raises:
        ConfigError: If several are named, or the backbone is of another architecture.
    """
    named = [key for key in ("weights", "backbone_weights", "inherit") if config[key]]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} are given: name one of them")
    if config.weights:
        load_weights(network, config.weights)
    if config.backbone_weights:
        load_backbone_weights(network, architecture, config.backbone_weights)
    if config.inherit:
        inherited = inherit_from_run(network, architecture, config.inherit)
        print(f"inherited {len(inherited.copied)} tensors of {config.inherit}, {len(inherited.skipped)} start anew")


def make_trainer(
    config: DictConfig,
    folder: Path,
    epochs: int,
    callbacks: Sequence[pl.Callback],
    max_time: str | None = None,
    *,
    progress_bar: bool = True,
    **changed: Any,
) -> pl.Trainer:
    """The Trainer of ``config.trainer`` with loggers, checkpoints and a progress bar in a folder.

    Args:
        config: Of the command.
        folder: Of the run or the trial.
        epochs: Number of epochs.
        callbacks: Added to those that every run has.
        max_time: Budget of wall time, DD:HH:MM:SS, over all attempts of a run that was resumed.
        progress_bar: Whether to show one.
        changed: Arguments that win over those of the config.
    """
    loggers: list[Logger] = [
        ContinuedCSVLogger(folder),
        TensorBoardLogger(str(folder), name=None, version=""),
    ]
    checkpoint = LastCheckpoint(folder / "checkpoints")
    return instantiate(
        config.trainer,
        max_epochs=epochs,
        logger=loggers,
        callbacks=[
            FiniteTraining(),
            *callbacks,
            checkpoint,
            Timer(max_time),
            *([RichProgressBar()] if progress_bar else []),
        ],
        enable_progress_bar=progress_bar,
        default_root_dir=str(folder),
        enable_model_summary=False,
        _convert_="all",
        **changed,
    )


def make_silent_trainer(config: DictConfig, folder: Path, **changed: Any) -> pl.Trainer:
    """The Trainer of ``config.trainer`` for validation in a loop that shows its own progress: it writes nothing.

    Args:
        config: Of the command.
        folder: Of the run.
        changed: Arguments that win over those of the config.
    """
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, **changed}
    return instantiate(config.trainer, **silent, enable_model_summary=False, default_root_dir=str(folder))


def chosen(group: str) -> str:
    """Name of the config that the user chose for a group, e.g. ``"classification"`` for ``"task"``."""
    return str(HydraConfig.get().runtime.choices[group])
