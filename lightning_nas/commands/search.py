"""``search``: finds an architecture, compares it with others, reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightning_nas.commands.check import check_component
from lightning_nas.commands.components import chosen, make_data, make_space, make_strategy
from lightning_nas.commands.finish import finish
from lightning_nas.commands.job import make_job, prepare
from lightning_nas.commands.origin import origin
from lightning_nas.commands.phases import Phases
from lightning_nas.errors import ConfigError
from lightning_nas.evaluation.comparison import compare, training
from lightning_nas.evaluation.contenders import contestants
from lightning_nas.runs import RunFolder
from lightning_nas.runs.settings import ComparisonSettings
from lightning_nas.search import run as search
from lightning_nas.search.procedures.continuing import read_stopped
from lightning_nas.spaces import SearchSpace

COMPONENTS = ["task", "data", "space", "strategy", "evaluator", "trainer"]


@dataclass(frozen=True)
class Search:
    """What a config names.

    Args:
        datamodule: The data.
        space: The search space.
        strategy: How to choose.
        settings: What is compared afterwards.
    """

    datamodule: Any
    space: SearchSpace
    strategy: Any
    settings: ComparisonSettings

    @property
    def keeps_networks(self) -> bool:
        """Whether trained networks are what the search ends with."""
        return bool(getattr(self.strategy, "keeps_networks", False))

    @property
    def kept(self) -> int:
        """How many these are, at most."""
        return int(self.strategy.kept(self.space)) if self.keeps_networks else 0


def named_search(config: DictConfig) -> Search:
    """Makes what a config names; its components have been checked.

    Raises:
        ConfigError: If a value of the config is wrong, or its parts do not fit.
    """
    check_component({**config.task, **config.evaluate.task}, "evaluate.task")
    for name in ("pruner", "prefilter"):
        if config[name] is not None:
            check_component(config[name], name)
    if config.pretrain is not None:
        for name in ("task", "data"):
            check_component(config.pretrain[name], f"pretrain.{name}")
    datamodule = make_data(config)
    space = make_space(config.space, datamodule.in_channels)
    strategy = make_strategy(config, space)
    if config.pretrain is not None and not getattr(strategy, "pretrains", False):
        raise ConfigError(f"pretrain is a stage of strategy=single_path, got strategy={chosen('strategy')}")
    settings: Any = OmegaConf.to_object(config.evaluate)
    return Search(datamodule, space, strategy, settings)


def run(config: DictConfig) -> Path:
    """Searches an architecture, compares it with others, writes the run folder.

    Returns:
        The run folder.

    Raises:
        ConfigError: If a key, a type or a value of the config is wrong, or its parts do not fit.
    """
    if config.continue_from is not None:
        read_stopped(RunFolder(config.continue_from))
    folder = prepare(config, COMPONENTS)
    named = named_search(config)
    compared = contestants(named.settings, named.space, trained=named.keeps_networks)
    searching = f"searching with {chosen('strategy')}"
    others = [] if config.trials.worker else [training(name) for name in compared]
    phases = Phases([searching, *others], RunFolder(folder).phases)
    job = make_job(config, folder, named.space, named.datamodule, phases.progress)
    if not job.run.architecture.is_file():
        phases.begin(searching)
    architecture = search(named.strategy, job, {"strategy": chosen("strategy"), "seed": config.seed})
    if config.trials.worker:
        print(
            f"architecture: {job.run.architecture}\nworker {config.trials.worker} is done; worker 0 compares and reports"
        )
        return folder
    results = compare(job, architecture, named.settings, begin=lambda name: phases.begin(training(name)))
    phases.end()
    start = origin(config, architecture)
    finish(config, folder, architecture, results, named.datamodule, strategy=chosen("strategy"), pretrained=start)
    return folder
