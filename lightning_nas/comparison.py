"""The found network beside random ones and one made by hand, all trained with the same budget."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from lightning_nas.architecture import Architecture, Component
from lightning_nas.assemble import make_trainer
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.hand_made import residual_of_size
from lightning_nas.search import SeedBatches
from lightning_nas.search.trials import TrialResult, TrialRunner
from lightning_nas.spaces import Backbone, SearchSpace


def compare(
    config: DictConfig, folder: Path, datamodule: Any, space: SearchSpace, architecture: Architecture
) -> list[TrialResult]:
    """Trains and tests the networks; those that have finished in the run's folder are read.

    Returns:
        The results, the found network's first.
    """
    make_task = partial(instantiate(config.task), num_classes=datamodule.num_classes)
    runner = TrialRunner(
        folder / "evaluation",
        make_task=lambda backbone: make_task(backbone=backbone),
        make_trainer=lambda trial: make_trainer(config, trial, config.evaluate.epochs, [SeedBatches(config.seed)]),
        datamodule=datamodule,
        seed=config.seed,
    )
    results = [runner.run("found", "found", partial(build_network, architecture))]
    rng = random.Random(config.seed)
    for index in range(config.evaluate.random):
        results.append(runner.run(f"random {index}", "random", partial(space.network, space.sample(rng))))
    if config.evaluate.hand_made:
        name, build = hand_made(architecture, results[0].parameters, datamodule.in_channels)
        results.append(runner.run(name, "baseline", build))
    return results


def hand_made(architecture: Architecture, parameters: int, in_channels: int) -> tuple[str, Callable[[], Backbone]]:
    """What a found network is compared with, and how to build it.

    For a found neck that is a plain FPN of the same width and levels on the found backbone, else a residual network with
    as many parameters.
    """
    if "neck" in architecture.components:
        found = architecture.components["neck"].space_args
        fpn = Component("fpn", {name: found[name] for name in ("channels", "min_level", "max_level")}, {})
        return "plain FPN", partial(build_network, Architecture({**architecture.components, "neck": fpn}))
    reductions = tuple(build_network(architecture).feature_info.reduction())
    return "hand-made residual", partial(residual_of_size, parameters, reductions, in_channels)
