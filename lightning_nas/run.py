"""Where Hydra ends: builds the pieces that a config names and runs them. Below, everything takes plain arguments."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from lightning_nas.architecture import Architecture, write_atomic
from lightning_nas.assemble import chosen, last_checkpoint, make_trainer, named_architecture, prepare
from lightning_nas.benchmark import SupernetBenchmark
from lightning_nas.benchmark.table import as_table
from lightning_nas.config import ConfigError, check_component
from lightning_nas.networks.backbone import build_network, load_weights
from lightning_nas.networks.hand_made import residual_of_size
from lightning_nas.networks.inherit import inherit_from_run
from lightning_nas.report.page import build as build_report
from lightning_nas.search import (
    ArchitectureHistory,
    BilevelDataModule,
    DropPathSchedule,
    SearchModule,
    SeedBatches,
)
from lightning_nas.search.summary import write_summary
from lightning_nas.search.trials import TrialResult, TrialRunner
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies import Random, Strategy

BENCHMARKS = {"supernet": SupernetBenchmark}

COMPONENTS = ("task", "data", "space", "strategy", "trainer")


def search(config: DictConfig) -> Path:
    """Searches an architecture, compares it with others, writes the run folder.

    Returns:
        The run folder.

    Raises:
        ConfigError: If a key, a type or a value of the config is wrong.
    """
    folder = prepare(config, list(COMPONENTS))
    datamodule = instantiate(config.data)
    space: SearchSpace = instantiate(config.space, in_channels=datamodule.in_channels)
    strategy: Strategy = instantiate(config.strategy)
    if getattr(datamodule, "generated", False):
        print("note: the data of this run are generated, not real")

    architecture_file = folder / "architecture.json"
    if not architecture_file.is_file():
        provenance = {"strategy": type(strategy).__name__.lower(), "seed": config.seed}
        if isinstance(strategy, Random):
            architecture = space.architecture(strategy.sample(space), provenance)
        else:
            architecture = _train_supernet(config, folder, datamodule, space, strategy).architecture(provenance)
        architecture.save(architecture_file)
    architecture = Architecture.load(architecture_file)
    results = _compare(config, folder, datamodule, space, architecture)
    _finish(config, folder, architecture, results, datamodule, strategy=type(strategy).__name__.lower())
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
    datamodule = instantiate(config.data)
    architecture = architecture.with_args("backbone", **dict(config.network), in_channels=datamodule.in_channels)
    print(f"building {config.architecture}: {architecture.components['backbone'].to_dict()}")
    architecture.save(folder / "architecture.json")

    backbone = build_network(architecture)
    if config.weights and config.inherit:
        raise ConfigError("weights and inherit are both given: name one of them")
    if config.weights:
        load_weights(backbone, config.weights)
    if config.inherit:
        inherited = inherit_from_run(backbone, architecture, config.inherit)
        print(f"inherited {len(inherited.copied)} tensors of {config.inherit}, {len(inherited.skipped)} start anew")
    task = instantiate(config.task)(backbone=backbone, num_classes=datamodule.num_classes)
    callbacks = [SeedBatches(config.seed), DropPathSchedule(config.drop_path)]
    trainer = make_trainer(config, folder, config.epochs, callbacks, config.max_time)
    trainer.fit(task, datamodule=datamodule, ckpt_path=last_checkpoint(folder))
    trainer.test(task, datamodule=datamodule, verbose=False)
    size = (datamodule.in_channels, *datamodule.image_size)
    result = TrialResult.of("found", "found", trainer, backbone, size)
    _finish(config, folder, architecture, [result], datamodule, strategy="train")
    if trainer.is_global_zero:
        print(f"checkpoint:   {folder / 'checkpoints' / 'last.ckpt'}\ntest:         {result.metrics}")
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


def benchmark(config: DictConfig) -> Path:
    """Measures the library against a reference, prints a table and writes ``benchmark.json``.

    Raises:
        ConfigError: If there is no such benchmark or a value is out of range.
    """
    if config.what not in BENCHMARKS:
        raise ConfigError(f"what = {config.what!r}: expected one of {sorted(BENCHMARKS)}")
    settings = {str(key): value for key, value in config.items() if key != "what"}
    check_component(
        {"_target_": f"{BENCHMARKS[config.what].__module__}.{BENCHMARKS[config.what].__name__}", **settings},
        "benchmark",
    )
    try:
        measurement = BENCHMARKS[config.what](**settings)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    result = measurement.run()
    Console().print(as_table(result))
    path = Path(HydraConfig.get().runtime.output_dir) / "benchmark.json"
    write_atomic(path, json.dumps(result, indent=2) + "\n")
    print(f"benchmark: {path}")
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
    report = build_report(folder)
    print(f"architecture: {folder / 'architecture.json'}\nreport:       {report}")


def _train_supernet(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, strategy: Strategy
) -> SearchModule:
    supernet = space.supernet(generator=torch.Generator().manual_seed(config.seed))
    task = instantiate(config.task)(backbone=supernet, num_classes=datamodule.num_classes)
    arguments = {key: value for key, value in config.search.items() if key not in ("epochs", "fraction")}
    module = SearchModule(task, strategy, **arguments, seed=config.seed)
    changed: dict[str, Any] = {}
    if strategy.needs_unused_parameters and config.trainer.strategy == "ddp":
        changed["strategy"] = "ddp_find_unused_parameters_true"
    history = ArchitectureHistory(folder / "history.jsonl")
    trainer = make_trainer(config, folder, config.search.epochs, [history], config.max_time, **changed)
    halves = BilevelDataModule(datamodule, seed=config.seed, fraction=config.search.fraction)
    trainer.fit(module, datamodule=halves, ckpt_path=last_checkpoint(folder))
    return module


def _compare(
    config: DictConfig,
    folder: Path,
    datamodule: Any,
    space: SearchSpace,
    architecture: Architecture,
) -> list[TrialResult]:
    """The found network, random ones and a hand-made one, all trained with the same budget."""
    make_task = partial(instantiate(config.task), num_classes=datamodule.num_classes)
    runner = TrialRunner(
        folder / "evaluation",
        make_task=lambda backbone: make_task(backbone=backbone),
        make_trainer=lambda trial: make_trainer(config, trial, config.evaluate.epochs, [SeedBatches(config.seed)]),
        datamodule=datamodule,
        input_size=(datamodule.in_channels, *datamodule.image_size),
        seed=config.seed,
    )
    results = [runner.run("found", "found", partial(build_network, architecture))]
    rng = random.Random(config.seed)
    for index in range(config.evaluate.random):
        results.append(runner.run(f"random {index}", "random", partial(space.network, space.sample(rng))))
    if config.evaluate.hand_made:
        reductions = tuple(build_network(architecture).feature_info.reduction())
        build = partial(residual_of_size, results[0].parameters, reductions, datamodule.in_channels)
        results.append(runner.run("hand-made residual", "baseline", build))
    return results
