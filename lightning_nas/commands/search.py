"""``search``: finds an architecture, compares it with others, reports."""

from __future__ import annotations

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
from lightning_nas.evaluation.comparison import compare, contestants
from lightning_nas.runs import RunFolder
from lightning_nas.search import run as search
from lightning_nas.search.procedures.continuing import read_stopped

COMPONENTS = ["task", "data", "space", "strategy", "evaluator", "trainer"]


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
    compared = contestants(settings, space, trained=getattr(strategy, "keeps_networks", False))
    searching = f"searching with {chosen('strategy')}"
    phases = Phases([searching, *([] if config.trials.worker else [f"training {name}" for name in compared])])
    job = make_job(config, folder, space, datamodule, phases.progress)
    if not job.run.architecture.is_file():
        phases.begin(searching)
    architecture = search(strategy, job, {"strategy": chosen("strategy"), "seed": config.seed})
    if config.trials.worker:
        print(
            f"architecture: {job.run.architecture}\nworker {config.trials.worker} is done; worker 0 compares and reports"
        )
        return folder
    results = compare(job, architecture, settings, begin=lambda name: phases.begin(f"training {name}"))
    start = origin(config, architecture)
    finish(config, folder, architecture, results, datamodule, strategy=chosen("strategy"), pretrained=start)
    return folder
