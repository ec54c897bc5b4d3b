"""``train``: trains one architecture and tests it."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from lightning_nas.commands.claim import claim_architecture
from lightning_nas.commands.components import make_data, task_maker
from lightning_nas.commands.finish import finish
from lightning_nas.commands.job import make_trainers, prepare
from lightning_nas.commands.network import named_architecture, resized, start_from, start_from_front
from lightning_nas.commands.origin import origin
from lightning_nas.commands.phases import Phases
from lightning_nas.commands.start import read_start
from lightning_nas.evaluation.contender import ContenderResult
from lightning_nas.networks.backbone import build_network
from lightning_nas.runs import RunFolder
from lightning_nas.search import DropPathSchedule, SeedBatches
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.progress import ReportedEpochs


def run(config: DictConfig) -> Path:
    """Trains one architecture and tests it.

    Returns:
        The run folder.

    Raises:
        ConfigError: If there is no architecture, or a key or value is wrong.
    """
    start = None if config.model is None else read_start(config)
    architecture = named_architecture(config) if start is None else start.record.architecture
    folder = prepare(config, ["task", "data", "trainer"])
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
    phases = Phases(["training", "testing"])
    callbacks = [SeedBatches(config.seed), DropPathSchedule(config.drop_path), ReportedEpochs(phases.progress)]
    claim_architecture(architecture, folder)
    trainer = make_trainers(config, folder).training(folder, config.epochs, callbacks, config.max_time, kept=True)
    phases.begin("training")
    trainer.fit(task, datamodule=datamodule, ckpt_path=last_checkpoint(folder))
    phases.begin("testing")
    trainer.test(task, datamodule=datamodule, verbose=False)
    result = ContenderResult.of("found", "found", trainer, task, datamodule)
    known = origin(config, architecture, start)
    finish(config, folder, architecture, [result], datamodule, strategy="train", pretrained=known)
    if trainer.is_global_zero:
        print(f"checkpoint:   {RunFolder(folder).network_checkpoint}")
    return folder
