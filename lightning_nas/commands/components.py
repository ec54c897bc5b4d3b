"""The objects that a config names: data, task, space, strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler

from lightning_nas.errors import ConfigError, NasError
from lightning_nas.search.tasks import bound_task, task_arguments
from lightning_nas.spaces import SearchSpace


def chosen(group: str) -> str:
    """Name of the config that the user chose for a group, e.g. ``"classification"`` for ``"task"``."""
    return str(HydraConfig.get().runtime.choices[group])


def make_data(config: DictConfig) -> Any:
    """The data module; says at once if its data are generated."""
    datamodule = instantiate(config.data)
    if getattr(datamodule, "generated", False):
        print("note: the data of this run are generated, not real")
    return datamodule


def task_maker(node: DictConfig | Mapping[str, Any], datamodule: Any) -> Callable[[Any], Any]:
    """Backbone -> the task of a config, for the data of a data module."""
    return bound_task(instantiate(node), task_arguments(datamodule))


def evaluated_task(config: DictConfig) -> dict[str, Any]:
    """The config of the task of a search's comparison: that of the search, with the arguments of ``evaluate.task``."""
    return {**config.task, **config.get("evaluate", {}).get("task", {})}


def make_space(config: DictConfig, in_channels: int) -> SearchSpace:
    """The search space for images with so many channels."""
    node = OmegaConf.to_container(config, resolve=True)
    assert isinstance(node, dict)
    for part in node["parts"].values() if "parts" in node else (node,):
        if "in_channels" in part:
            part["in_channels"] = in_channels
    space: SearchSpace = instantiate(node, _convert_="all")
    return space


def make_strategy(config: DictConfig, space: SearchSpace) -> Any:
    """The strategy of a search: our samplers are built with the space, Optuna's own know none.

    Workers that share a study each need another seed for Optuna's own samplers; ours follow the study.

    Raises:
        ConfigError: If a sampler does not know the space.
    """
    built = instantiate(config.strategy)
    try:
        if isinstance(built, partial):
            return built(space)
    except NasError as error:
        raise ConfigError(f"strategy: {error}") from error
    if isinstance(built, BaseSampler):
        return make_sampler(config.strategy, space, config.seed + config.trials.worker)
    return built


def make_sampler(node: DictConfig, space: SearchSpace, seed: int) -> BaseSampler:
    """The Optuna sampler of a strategy's config.

    Args:
        node: The config of the strategy.
        space: The search space.
        seed: Of its draws, instead of the config's.
    """
    built = instantiate(node, seed=seed)
    sampler: BaseSampler = built(space) if isinstance(built, partial) else built
    return sampler


def make_seeded(node: DictConfig, space: SearchSpace, seed: int) -> Any:
    """The strategy of a config, of gradients or a sampler.

    Args:
        node: The config of the strategy.
        space: The search space.
        seed: Of its draws, instead of the config's and of its parts'.
    """
    built = instantiate(_seeded(OmegaConf.to_container(node, resolve=True), seed))
    return built(space) if isinstance(built, partial) else built


def _seeded(node: Any, seed: int) -> Any:
    """A config in which every seed is another one."""
    if isinstance(node, dict):
        return {name: seed if name == "seed" else _seeded(value, seed) for name, value in node.items()}
    return node
