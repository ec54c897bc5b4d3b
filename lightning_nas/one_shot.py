"""Search among the paths of a supernet trained on random ones, in stages that go on where they were interrupted.

Source of the three stages of a single-path search: Chen et al. 2019, "DetNAS", arXiv 1903.10979, figure 1. Random search with
weight sharing has the last two, with random candidates in place of the evolution (Li, Talwalkar 2019, arXiv 1902.07638).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from lightning_nas.architecture import ArchitectureError, Choices, Option
from lightning_nas.commands.assemble import make_data, make_silent_trainer, make_trainer
from lightning_nas.commands.config import ConfigError
from lightning_nas.commands.phases import EpochsOfPhase, Phases
from lightning_nas.comparison import evaluated_task
from lightning_nas.networks.transfer import copy_trunk
from lightning_nas.runs import RunFolder
from lightning_nas.search import SampledPaths, ScreeningData, SeedBatches
from lightning_nas.search.costs import macs_of_choice
from lightning_nas.search.persistence import last_checkpoint
from lightning_nas.search.scoring import best_of
from lightning_nas.search.shared_weights import SharedWeights
from lightning_nas.spaces import Product, SearchSpace, Supernet
from lightning_nas.strategies import Rsps, SinglePath
from lightning_nas.strategies.sampling.evolution import Evolution


def search_paths(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, strategy: SinglePath | Rsps, phases: Phases
) -> dict[str, Option]:
    """Trains the backbone's supernet on classification (if ``pretrain`` is given), then all on the task, then chooses.

    Args:
        config: Of the search.
        folder: Of the run: ``pretrain/``, ``checkpoints/`` and ``evolution.jsonl`` hold what each stage has done.
        datamodule: The data of the task; its validation images judge the candidates.
        space: The search space.
        strategy: The settings.
        phases: Of the run; the search is the one under way.

    Returns:
        The fittest architecture.

    Raises:
        ConfigError: If there are no validation images, the metric is not logged, no architecture keeps the limits of
            multiply-adds, or what an earlier attempt left there belongs to another search.
    """
    datamodule.prepare_data()
    datamodule.setup("fit")
    if not datamodule.val_dataloader():
        raise ConfigError(f"{type(strategy).__name__} judges candidates on validation images, and data holds out none")
    evolution = _first_round(config, datamodule, space, strategy) if isinstance(strategy, SinglePath) else None
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    if config.pretrain is not None and last_checkpoint(folder) is None:
        before = RunFolder(folder).pretraining.path
        pretrained = _pretrained(config, before, _backbone_space(space), datamodule.in_channels, strategy)
        target = supernet.get_submodule("parts.backbone") if isinstance(space, Product) else supernet
        copy_trunk(target, pretrained.state_dict(), "", str(before))
    pl.seed_everything(config.seed, workers=True, verbose=False)  # the head starts the same after a resumed pretraining
    task = instantiate(config.task)(backbone=supernet, num_classes=datamodule.num_classes)
    changed = optimization(config) if isinstance(strategy, Rsps) else {}
    watching = [SampledPaths(strategy.seed), EpochsOfPhase(phases, open_end=True)]
    trainer = path_trainer(config, folder, config.search.epochs, watching, **changed)
    trainer.fit(task, datamodule=datamodule, ckpt_path=last_checkpoint(folder))
    if isinstance(strategy, Rsps):
        return _shortlist(config, folder, datamodule, task, supernet, strategy)
    assert evolution is not None
    return _evolve(config, folder, datamodule, task, supernet, strategy, evolution)


def _pretrained(
    config: DictConfig, folder: Path, space: SearchSpace, in_channels: int, strategy: SinglePath | Rsps
) -> Supernet:
    """The backbone's supernet, trained on sampled paths as a classifier."""
    data = make_data(config.pretrain)
    if data.in_channels != in_channels:
        raise ConfigError(f"pretrain.data has images of {data.in_channels} channels, the task's have {in_channels}")
    if any(field.name == "head_channels" for field in dataclasses.fields(space)):
        space = dataclasses.replace(space, head_channels=config.pretrain.head_channels)  # type: ignore[call-arg]
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    task = instantiate(config.pretrain.task)(backbone=supernet, num_classes=data.num_classes)
    trainer = path_trainer(config, folder, config.pretrain.epochs, [SampledPaths(strategy.seed)])
    trainer.fit(task, datamodule=data, ckpt_path=last_checkpoint(folder))
    return supernet


def _backbone_space(space: SearchSpace) -> SearchSpace:
    return space.spaces["backbone"] if isinstance(space, Product) else space


def path_trainer(
    config: DictConfig, folder: Path, epochs: int, callbacks: Sequence[pl.Callback], **changed: Any
) -> pl.Trainer:
    """A Trainer whose training can be resumed and, under DDP, may leave weights unused."""
    if config.trainer.strategy == "ddp":
        changed["strategy"] = "ddp_find_unused_parameters_true"  # a path leaves most weights unused
    return make_trainer(config, folder, epochs, [SeedBatches(config.seed), *callbacks], config.max_time, **changed)


def optimization(config: DictConfig) -> dict[str, Any]:
    """What ``config.search`` says of the steps of the weights, as arguments of a Trainer."""
    names = ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm")
    return {name: config.search[name] for name in names}


def _evolve(
    config: DictConfig,
    folder: Path,
    datamodule: Any,
    task: pl.LightningModule,
    supernet: Supernet,
    strategy: SinglePath,
    evolution: Evolution,
) -> dict[str, Option]:
    trainer = make_silent_trainer(config, folder)
    shared = SharedWeights(
        task, supernet, datamodule, trainer, strategy.metric, strategy.recalibration_batches, config.seed
    )
    total = strategy.population * strategy.rounds
    run = RunFolder(folder)
    try:
        best = best_of(evolution, shared.score, run, trainer, total=total, title="evolution")
    except ArchitectureError as error:
        limits = "; max_macs and min_macs are limits of the whole network, in earlier versions of backbone and neck"
        raise ConfigError(f"{run.candidates}: {error}{limits if strategy.limited else ''}") from error
    supernet.activate(None)
    return best


def _shortlist(
    config: DictConfig,
    folder: Path,
    datamodule: Any,
    task: pl.LightningModule,
    supernet: Supernet,
    strategy: Rsps,
) -> dict[str, Option]:
    shortlist = strategy.shortlist(supernet.space)
    trainer = make_silent_trainer(config, folder)
    whole = SharedWeights(
        task, supernet, datamodule, trainer, strategy.metric, strategy.recalibration_batches, config.seed
    )
    few = ScreeningData(datamodule, batches=strategy.screening_batches, seed=strategy.seed)
    screening = dataclasses.replace(
        whole,
        datamodule=few,
        trainer=make_silent_trainer(config, folder, limit_val_batches=strategy.screening_batches),
    )

    def measure(choices: Choices) -> float:
        return (screening if shortlist.round == 1 else whole).score(choices)

    best = best_of(shortlist, measure, RunFolder(folder), trainer, total=shortlist.total, title="random paths")
    supernet.activate(None)
    return best


def _first_round(config: DictConfig, datamodule: Any, space: SearchSpace, strategy: SinglePath) -> Evolution:
    """The evolution with its first candidates: limits that nothing keeps are refused before any training."""
    make_task = partial(evaluated_task(config), num_classes=datamodule.num_classes)

    def macs(choices: Choices) -> int:
        return macs_of_choice(
            lambda backbone: make_task(backbone=backbone), datamodule, partial(space.network, choices)
        )

    try:
        return strategy.evolution(space, macs)
    except ValueError as error:
        limits = f"max_macs = {strategy.max_macs}, min_macs = {strategy.min_macs}, of the whole network"
        raise ConfigError(f"strategy: {limits}: {error}") from error
