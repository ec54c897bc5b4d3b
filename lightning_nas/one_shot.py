"""Single-path search in up to three stages, each of which goes on where it was interrupted.

Source of the stages: Chen et al. 2019, "DetNAS", arXiv 1903.10979, figure 1.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.progress import track

from lightning_nas.architecture import Choices, Option, write_atomic
from lightning_nas.assemble import last_checkpoint, make_data, make_silent_trainer, make_trainer
from lightning_nas.config import ConfigError
from lightning_nas.cost import count_macs
from lightning_nas.networks.transfer import copy_trunk
from lightning_nas.search import SampledPaths, SeedBatches
from lightning_nas.search.shared_weights import SharedWeights
from lightning_nas.search.trials import input_size
from lightning_nas.spaces import Product, SearchSpace, Supernet
from lightning_nas.strategies import SinglePath
from lightning_nas.strategies.sampling.evolution import replay


def search_paths(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, strategy: SinglePath
) -> dict[str, Option]:
    """Trains the backbone's supernet on classification (if ``pretrain`` is given), then all on the task, then evolves.

    Args:
        config: Of the search.
        folder: Of the run: ``pretrain/``, ``checkpoints/`` and ``evolution.jsonl`` hold what each stage has done.
        datamodule: The data of the task; its validation images judge the candidates.
        space: The search space.
        strategy: The settings.

    Returns:
        The fittest architecture.

    Raises:
        ConfigError: If there are no validation images, or the metric is not logged.
    """
    datamodule.prepare_data()
    datamodule.setup("fit")
    if not datamodule.val_dataloader():
        raise ConfigError("strategy = single_path judges candidates on validation images, and data holds out none")
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    if config.pretrain is not None and last_checkpoint(folder) is None:
        pretrained = _pretrained(config, folder / "pretrain", _backbone_space(space), datamodule.in_channels, strategy)
        target = supernet.get_submodule("parts.backbone") if isinstance(space, Product) else supernet
        copy_trunk(target, pretrained.state_dict(), "", str(folder / "pretrain"))
    pl.seed_everything(config.seed, workers=True, verbose=False)  # the head starts the same after a resumed pretraining
    task = instantiate(config.task)(backbone=supernet, num_classes=datamodule.num_classes)
    trainer = _trainer(config, folder, config.search.epochs, strategy)
    trainer.fit(task, datamodule=datamodule, ckpt_path=last_checkpoint(folder))
    return _evolve(config, folder, datamodule, task, supernet, strategy)


def _pretrained(
    config: DictConfig, folder: Path, space: SearchSpace, in_channels: int, strategy: SinglePath
) -> Supernet:
    """The backbone's supernet, trained on sampled paths as a classifier."""
    data = make_data(config.pretrain)
    if data.in_channels != in_channels:
        raise ConfigError(f"pretrain.data has images of {data.in_channels} channels, the task's have {in_channels}")
    if any(field.name == "head_channels" for field in dataclasses.fields(space)):
        space = dataclasses.replace(space, head_channels=config.pretrain.head_channels)  # type: ignore[call-arg]
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    task = instantiate(config.pretrain.task)(backbone=supernet, num_classes=data.num_classes)
    trainer = _trainer(config, folder, config.pretrain.epochs, strategy)
    trainer.fit(task, datamodule=data, ckpt_path=last_checkpoint(folder))
    return supernet


def _backbone_space(space: SearchSpace) -> SearchSpace:
    return space.spaces["backbone"] if isinstance(space, Product) else space


def _trainer(config: DictConfig, folder: Path, epochs: int, strategy: SinglePath) -> pl.Trainer:
    changed: dict[str, Any] = {}
    if config.trainer.strategy == "ddp":
        changed["strategy"] = "ddp_find_unused_parameters_true"  # a path leaves most weights unused
    callbacks = [SeedBatches(config.seed), SampledPaths(strategy.seed)]
    return make_trainer(config, folder, epochs, callbacks, config.max_time, **changed)


def _evolve(
    config: DictConfig,
    folder: Path,
    datamodule: Any,
    task: pl.LightningModule,
    supernet: Supernet,
    strategy: SinglePath,
) -> dict[str, Option]:
    space = supernet.space
    file = folder / "evolution.jsonl"
    evolution = strategy.evolution(space, _macs_counter(space, input_size(task, datamodule)))
    if file.is_file():
        told = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        replay(evolution, [(entry["choices"], entry["fitness"]) for entry in told])
    left = strategy.population * strategy.rounds - len(evolution.history)
    trainer = make_silent_trainer(config, folder)
    shared = SharedWeights(
        task, supernet, datamodule, trainer, strategy.metric, strategy.recalibration_batches, config.seed
    )
    for _ in track(range(left), "evolution"):
        if evolution.done:  # a small space has fewer candidates than asked for
            break
        choices = evolution.ask()
        evolution.tell(choices, shared.measure(choices)[1])
        if trainer.is_global_zero:
            lines = (json.dumps({"choices": known, "fitness": value}) for known, value in evolution.history)
            write_atomic(file, "".join(f"{line}\n" for line in lines))
    supernet.activate(None)
    return evolution.best()[0]


def _macs_counter(space: SearchSpace, size: tuple[int, int, int]) -> Callable[[Choices], int]:
    def count(choices: Choices) -> int:
        with torch.random.fork_rng(devices=[]):
            return count_macs(space.network(choices), size)

    return count
