"""``train``: trains one architecture and tests it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lightning_nas.architecture import Architecture
from lightning_nas.commands.claim import claim_architecture
from lightning_nas.commands.components import make_data, task_maker
from lightning_nas.commands.finish import finish
from lightning_nas.commands.job import make_trainers, prepare
from lightning_nas.commands.network import (
    check_changes,
    named_architecture,
    resized,
    start_from,
    start_from_front,
)
from lightning_nas.commands.origin import origin
from lightning_nas.commands.phases import Phases
from lightning_nas.commands.start import Start, read_start
from lightning_nas.evaluation.contender import ContenderResult
from lightning_nas.networks.backbone import build_network
from lightning_nas.runs import RunFolder
from lightning_nas.search import DropPathSchedule, SeedBatches, Trainers
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.progress import Progress, ReportedEpochs, unwatched
from lightning_nas.spaces import Backbone

COMPONENTS = ["task", "data", "trainer"]


@dataclass(frozen=True)
class Training:
    """What a config names.

    Args:
        architecture: Of the network.
        datamodule: The data.
        backbone: The network, with what it starts from.
        task: With the network.
    """

    architecture: Architecture
    datamodule: Any
    backbone: Backbone
    task: pl.LightningModule


def named_training(config: DictConfig, start: Start | None, architecture: Architecture) -> Training:
    """Makes what a config names; its components have been checked.

    Args:
        config: Of the command.
        start: What :func:`read_start` has found, if the config names a model.
        architecture: Of the network, before the config changes it.

    Raises:
        ConfigError: If a value of the config is wrong, or its parts do not fit.
    """
    check_changes(architecture, config)  # before data are generated, which takes seconds
    datamodule = make_data(config)
    architecture = resized(architecture, config, datamodule.in_channels)
    for name, part in architecture.components.items():
        print(f"building {name} of {config.model or config.architecture}: {part.to_dict()}")
    backbone = build_network(architecture)
    start_from(backbone, architecture, config)
    task = task_maker(config.task, datamodule)(backbone)
    if start is None:
        start_from_front(task, config)
    else:
        start.fill(task, datamodule)
    return Training(architecture, datamodule, backbone, task)


def make_trainer(config: DictConfig, folder: Path, trainers: Trainers, progress: Progress = unwatched) -> pl.Trainer:
    """The Trainer of the training.

    Args:
        config: Of the command.
        folder: Where it writes.
        trainers: Makes it.
        progress: Told how much is done.
    """
    callbacks = [SeedBatches(config.seed), DropPathSchedule(config.drop_path), ReportedEpochs(progress)]
    return trainers.training(folder, config.epochs, callbacks, config.max_time, kept=True)


def run(config: DictConfig) -> Path:
    """Trains one architecture and tests it.

    Returns:
        The run folder.

    Raises:
        ConfigError: If there is no architecture, or a key or value is wrong.
    """
    start = None if config.model is None else read_start(config)
    architecture = named_architecture(config) if start is None else start.record.architecture
    folder = prepare(config, COMPONENTS)
    named = named_training(config, start, architecture)
    task, datamodule = named.task, named.datamodule
    phases = Phases(["training", "testing"], RunFolder(folder).phases)
    claim_architecture(named.architecture, folder)
    trainer = make_trainer(config, folder, make_trainers(config, folder), phases.progress)
    phases.begin("training")
    trainer.fit(task, datamodule=datamodule, ckpt_path=last_checkpoint(folder))
    phases.begin("testing")
    trainer.test(task, datamodule=datamodule, verbose=False)
    result = ContenderResult.of("found", "found", trainer, task, datamodule)
    phases.end()
    known = origin(config, named.architecture, start)
    finish(config, folder, named.architecture, [result], datamodule, strategy="train", pretrained=known)
    if trainer.is_global_zero:
        print(f"checkpoint:   {RunFolder(folder).network_checkpoint}")
    return folder
