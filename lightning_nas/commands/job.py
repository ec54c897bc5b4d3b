"""From a config to a job: checks, the run folder, seeds, and all that a search needs as plain values."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from lightning_nas.commands.check import GROUPS, check_component
from lightning_nas.commands.claim import claim
from lightning_nas.commands.components import evaluated_task, make_data, task_maker
from lightning_nas.commands.groups import check_groups, members
from lightning_nas.commands.network import named_seed
from lightning_nas.errors import ConfigError
from lightning_nas.networks.remapping import remap
from lightning_nas.networks.seeds import Seed
from lightning_nas.search import Job, Pretraining, Trainers
from lightning_nas.search.lightning.progress import Progress
from lightning_nas.spaces import SearchSpace


def prepare(config: DictConfig, components: list[str]) -> Path:
    """Checks the components of a config, claims the run folder, seeds all generators.

    Returns:
        The run folder.

    Raises:
        ConfigError: If a component or a value cannot be run, or the folder holds a run of another command.
        MissingPackageError: If a logger needs a package that is not installed.
    """
    check_components(config, components)
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


def check_components(config: DictConfig, components: list[str]) -> None:
    """Checks the components of a config, and the members of its groups.

    Raises:
        ConfigError: If one cannot be made.
        MissingPackageError: If a logger needs a package that is not installed.
    """
    for name in components:
        check_component(config[name], name)
    check_groups(config)


def make_trainers(config: DictConfig, folder: Path) -> Trainers:
    """Makes Trainers of ``config.trainer``, with what the groups ``callbacks`` and ``logger`` name.

    Args:
        config: Of the command.
        folder: Of the run.
    """
    strategy = config.trainer.get("strategy")
    arguments = {"strategy": strategy} if isinstance(strategy, str) else {}
    make = partial(instantiate, config.trainer, _convert_="all")
    callbacks, loggers = (partial(members, config[group], group, folder) for group in GROUPS)
    return Trainers(arguments, make, callbacks, loggers)


def make_job(config: DictConfig, folder: Path, space: SearchSpace, datamodule: Any, progress: Progress) -> Job:
    """What the config of a search asks for.

    Args:
        config: Of the search.
        folder: Of the run.
        space: The search space.
        datamodule: The data.
        progress: Told how much of a phase is done.
    """
    return Job(
        space,
        datamodule,
        make_task=task_maker(evaluated_task(config), datamodule),
        make_supernet_task=task_maker(config.task, datamodule),
        folder=folder,
        trainers=make_trainers(config, folder),
        seed=config.seed,
        max_time=config.max_time,
        supernet=_plain(config.search),
        trials=_plain(config.trials),
        evaluator=instantiate(config.evaluator),
        pruner=None if config.pruner is None else instantiate(config.pruner),
        prefilter=None if config.prefilter is None else instantiate(config.prefilter),
        pretraining=None if config.pretrain is None else _pretraining(config.pretrain),
        pretrained=_checked_seed(config, space),
        continues=config.continue_from,
        progress=progress,
    )


def _checked_seed(config: DictConfig, space: SearchSpace) -> Seed | None:
    """The weights that every network of the space starts from; one is filled with them, to see that they fit."""
    seed = named_seed(config, space)
    if seed is not None:
        filled = remap(seed, space.network(space.sample(random.Random(0)))).filled
        print(
            f"pretrained: networks of the space start from {seed.name} ({seed.source}), e.g. in {len(filled)} tensors"
        )
    return seed


def _pretraining(config: DictConfig) -> Pretraining:
    data = make_data(config)
    return Pretraining(data, task_maker(config.task, data), config.epochs, config.head_channels)


def _plain(node: DictConfig) -> Any:
    """The dataclass that a part of the config follows."""
    return OmegaConf.to_object(node)
