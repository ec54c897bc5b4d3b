"""The ways of searching: logits or a controller trained beside the weights, paths of one supernet, trial by trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from lightning_nas.architecture import Architecture, Option
from lightning_nas.black_box import is_black_box, search_trials
from lightning_nas.commands.assemble import chosen, make_trainer
from lightning_nas.commands.config import ConfigError
from lightning_nas.commands.phases import EpochsOfPhase, Phases
from lightning_nas.one_shot import optimization, path_trainer, search_paths
from lightning_nas.runs import RunFolder
from lightning_nas.search import ArchitectureHistory, BilevelDataModule, ControllerPhase, SearchModule, WeightsHalf
from lightning_nas.search.persistence import last_checkpoint
from lightning_nas.search.scoring import best_of
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies import Enas, Rsps, SinglePath, Strategy


def find_architecture(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, strategy: Any, phases: Phases
) -> Architecture:
    """Searches as the strategy says.

    Args:
        config: Of the search.
        folder: Of the run; an interrupted search goes on from what it left there.
        datamodule: The data.
        space: The space.
        strategy: The strategy.
        phases: Of the run; the search is the one under way.

    Raises:
        ConfigError: If the strategy trains a supernet and the space has none, its policy does not know the space, or a pruner
            or a prefilter is named for one that has no trials.
    """
    if not is_black_box(strategy):
        _refuse_what_does_not_fit(config, space, type(strategy).__name__)
    provenance = {"strategy": chosen("strategy"), "seed": config.seed}
    if is_black_box(strategy):
        return space.architecture(
            search_trials(config, folder, datamodule, space, strategy, phases.progress), provenance
        )
    if isinstance(strategy, SinglePath | Rsps):
        return space.architecture(search_paths(config, folder, datamodule, space, strategy, phases), provenance)
    if isinstance(strategy, Enas):
        return space.architecture(_train_controller(config, folder, datamodule, space, strategy, phases), provenance)
    return _train_logits(config, folder, datamodule, space, strategy, phases).architecture(provenance)


def _refuse_what_does_not_fit(config: DictConfig, space: SearchSpace, strategy: str) -> None:
    """Before a strategy that trains a supernet."""
    for name in ("pruner", "prefilter"):
        if config.get(name) is not None:
            raise ConfigError(f"{name} is given, but {strategy} has no trials that it could be applied to")
    if not space.has_supernet:
        raise ConfigError(
            f"space {space.name!r} has no supernet, which {strategy} trains: choose a strategy that trains every candidate by "
            "itself, e.g. strategy=random"
        )


def _refuse_a_warmup_without_end(config: DictConfig) -> None:
    """Epochs of the weights alone must leave one in which something is searched."""
    if config.search.warmup_epochs >= config.search.epochs:
        raise ConfigError(
            f"search.warmup_epochs = {config.search.warmup_epochs}: expected less than "
            f"search.epochs = {config.search.epochs}, or nothing would be searched"
        )


def _train_logits(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, strategy: Strategy, phases: Phases
) -> SearchModule:
    _refuse_a_warmup_without_end(config)
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    task = instantiate(config.task)(backbone=supernet, num_classes=datamodule.num_classes)
    arguments = {key: value for key, value in config.search.items() if key not in ("epochs", "fraction")}
    module = SearchModule(task, strategy, **arguments, seed=config.seed)
    changed: dict[str, Any] = {}
    if strategy.needs_unused_parameters and config.trainer.strategy == "ddp":
        changed["strategy"] = "ddp_find_unused_parameters_true"
    watching = [ArchitectureHistory(RunFolder(folder).history), EpochsOfPhase(phases)]
    trainer = make_trainer(config, folder, config.search.epochs, watching, config.max_time, **changed)
    halves = BilevelDataModule(datamodule, seed=config.seed, fraction=config.search.fraction)
    trainer.fit(module, datamodule=halves, ckpt_path=last_checkpoint(folder))
    if not module.arch_steps:
        raise ConfigError(
            f"no architecture step was made in {trainer.current_epoch} epochs: max_time = {config.max_time} or a limit of the "
            "Trainer ended the search before"
        )
    return module


def _train_controller(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, strategy: Enas, phases: Phases
) -> dict[str, Option]:
    """Weights and controller in turns, then the best of some architectures from the controller."""
    _refuse_a_warmup_without_end(config)
    try:
        strategy.controller(space)
    except ValueError as error:  # a policy that does not know the space
        raise ConfigError(str(error)) from error
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    pl.seed_everything(config.seed, workers=True, verbose=False)
    task = instantiate(config.task)(backbone=supernet, num_classes=datamodule.num_classes)
    phase = ControllerPhase(strategy, warmup_epochs=config.search.warmup_epochs)
    trainer = path_trainer(
        config, folder, config.search.epochs, [phase, EpochsOfPhase(phases, open_end=True)], **optimization(config)
    )
    halves = WeightsHalf(datamodule, seed=config.seed, fraction=config.search.fraction)
    trainer.fit(task, datamodule=halves, ckpt_path=last_checkpoint(folder))
    drawn = phase.shortlist()
    with phase.judge(trainer, task) as score:
        return best_of(drawn, score, RunFolder(folder), trainer, total=drawn.total, title="architectures")
