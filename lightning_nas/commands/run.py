"""Where Hydra ends: builds the pieces that a config names and runs them. Below, everything takes plain arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from lightning_nas.architecture import Architecture, write_atomic
from lightning_nas.benchmark import Benchmark
from lightning_nas.commands.assemble import (
    chosen,
    make_data,
    make_sampler,
    make_space,
    make_trainer,
    named_architecture,
    prepare,
    resized,
    start_from,
)
from lightning_nas.commands.claim import claim_architecture
from lightning_nas.commands.config import ConfigError, check_component
from lightning_nas.commands.phases import EpochsOfPhase, Phases
from lightning_nas.commands.predict import predict_folder
from lightning_nas.comparison import compare, contestants, training
from lightning_nas.networks.backbone import build_network
from lightning_nas.report.ending import ending
from lightning_nas.report.page import build as build_report
from lightning_nas.runs import RunFolder
from lightning_nas.search import DropPathSchedule, SeedBatches
from lightning_nas.search.persistence import last_checkpoint
from lightning_nas.search.summary import write_summary
from lightning_nas.search.trials import TrialResult
from lightning_nas.searching import find_architecture
from lightning_nas.strategies import SinglePath

COMPONENTS = ("task", "data", "space", "strategy", "evaluator", "trainer")


def search(config: DictConfig) -> Path:
    """Searches an architecture, compares it with others, writes the run folder.

    Returns:
        The run folder.

    Raises:
        ConfigError: If a key, a type or a value of the config is wrong, or pretraining does not fit the strategy.
    """
    folder = prepare(config, list(COMPONENTS))
    check_component({**config.task, **config.evaluate.task}, "evaluate.task")
    for name in ("pruner", "prefilter"):
        if config[name] is not None:
            check_component(config[name], name)
    if config.pretrain is not None:
        for name in ("task", "data"):
            check_component(config.pretrain[name], f"pretrain.{name}")
    datamodule = make_data(config)
    space = make_space(config.space, datamodule.in_channels)
    strategy = instantiate(config.strategy)
    if config.pretrain is not None and not isinstance(strategy, SinglePath):
        raise ConfigError(f"pretrain is a stage of strategy=single_path, got strategy={chosen('strategy')}")

    compared = contestants(config)
    searching = f"searching with {chosen('strategy')}"
    phases = Phases([searching, *([] if config.trials.worker else [training(name) for name in compared])])
    architecture_file = RunFolder(folder).architecture
    if not architecture_file.is_file():
        phases.begin(searching)
        find_architecture(config, folder, datamodule, space, strategy, phases).save(architecture_file)
    if config.trials.worker:
        print(
            f"architecture: {architecture_file}\nworker {config.trials.worker} is done; worker 0 compares and reports"
        )
        return folder
    architecture = Architecture.load(architecture_file)
    results = compare(config, folder, datamodule, space, architecture, phases)
    _finish(config, folder, architecture, results, datamodule, strategy=chosen("strategy"))
    return folder


def train(config: DictConfig) -> Path:
    """Trains one architecture and tests it.

    Returns:
        The run folder.

    Raises:
        ConfigError: If there is no architecture, or a key or value is wrong.
    """
    architecture = named_architecture(config)
    folder = prepare(config, ["task", "data", "trainer"])
    datamodule = make_data(config)
    architecture = resized(architecture, config, datamodule.in_channels)
    for name, part in architecture.components.items():
        print(f"building {name} of {config.architecture}: {part.to_dict()}")

    backbone = build_network(architecture)
    start_from(backbone, architecture, config)
    task = instantiate(config.task)(backbone=backbone, num_classes=datamodule.num_classes)
    claim_architecture(architecture, folder)
    phases = Phases(["training", "testing"])
    callbacks = [SeedBatches(config.seed), DropPathSchedule(config.drop_path), EpochsOfPhase(phases)]
    trainer = make_trainer(config, folder, config.epochs, callbacks, config.max_time)
    phases.begin("training")
    trainer.fit(task, datamodule=datamodule, ckpt_path=last_checkpoint(folder))
    phases.begin("testing")
    trainer.test(task, datamodule=datamodule, verbose=False)
    result = TrialResult.of("found", "found", trainer, task, datamodule)
    _finish(config, folder, architecture, [result], datamodule, strategy="train")
    if trainer.is_global_zero:
        print(f"checkpoint:   {RunFolder(folder).last_checkpoint}")
    return folder


def report(config: DictConfig) -> Path:
    """Writes the report of a finished run anew.

    Raises:
        ConfigError: If no run is named or the folder is not a run.
    """
    if not config.run:
        raise ConfigError("run = null: name a run folder, e.g. run=runs/search/2026-01-31_12-00-00")
    if not Path(config.run).is_dir():
        raise ConfigError(f"run = {config.run!r}: there is no such folder")
    path = build_report(Path(config.run))
    print(f"report: {path}")
    return path


def predict(config: DictConfig) -> Path:
    """Runs the network of a finished run on a folder of images.

    Returns:
        The folder that was written.

    Raises:
        ConfigError: If run or images are not there, or the task of the run cannot predict.
    """
    return predict_folder(config)


def benchmark(config: DictConfig) -> Path:
    """Measures the library against a reference, prints a table and writes ``benchmark.json``.

    Raises:
        ConfigError: If a key, a type or a value of the config is wrong.
    """
    settings: dict[str, Any] = {str(key): value for key, value in config.items() if key != "strategy"}
    check_component(settings, "benchmark")
    if "strategy" in config:
        check_component(config.strategy, "strategy")
        OmegaConf.resolve(config)
        settings |= {"make_sampler": partial(make_sampler, config.strategy), "strategy": chosen("strategy")}
    try:
        measurement: Benchmark = instantiate(settings)
        result = measurement.run()
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
    folder = Path(HydraConfig.get().runtime.output_dir)
    path = RunFolder(folder).benchmark
    write_atomic(path, json.dumps(result, indent=2) + "\n")
    Console().print(measurement.render([result]))
    picture = measurement.draw([result], folder)
    print(f"benchmark: {path}" + (f"\npicture:   {picture}" if picture else ""))
    return path


@rank_zero_only
def _finish(
    config: DictConfig,
    folder: Path,
    architecture: Architecture,
    results: Sequence[TrialResult],
    datamodule: Any,
    strategy: str,
) -> None:
    """Writes summary and report, says where they are."""
    write_summary(
        folder,
        architecture=architecture,
        results=results,
        datamodule=datamodule,
        task=chosen("task"),
        data=chosen("data"),
        strategy=strategy,
        seed=config.seed,
    )
    build_report(folder)
    data_of_run = [item for item in HydraConfig.get().overrides.task if item.startswith("data.")]
    print(ending(folder, data_of_run))
