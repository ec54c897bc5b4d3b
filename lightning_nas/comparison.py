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
from lightning_nas.cost import count_parameters
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.hand_made import residual_of_size
from lightning_nas.search import SeedBatches
from lightning_nas.search.trials import TrialResult, TrialRunner
from lightning_nas.spaces import Backbone, SearchSpace, build_space
from lightning_nas.spaces.product import ProductNetwork


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
        name, build = hand_made(architecture, datamodule.in_channels)
        results.append(runner.run(name, "baseline", build))
    return results


def hand_made(architecture: Architecture, in_channels: int) -> tuple[str, Callable[[], Backbone]]:
    """What a found network is compared with, and how to build it.

    For a searched neck that is a plain FPN of the same width and levels on the found backbone; else a residual backbone
    with as many parameters as the found one, with the same neck if there is one.
    """
    neck = architecture.components.get("neck")
    if neck is not None and neck.choices:
        fpn = Component("fpn", {name: neck.space_args[name] for name in ("channels", "min_level", "max_level")}, {})
        return "plain FPN", partial(build_network, Architecture({**architecture.components, "neck": fpn}))
    found = build_network(Architecture({"backbone": architecture.components["backbone"]}))
    reductions, size = tuple(found.feature_info.reduction()), count_parameters(found)

    def build() -> Backbone:
        body = residual_of_size(size, reductions, in_channels)
        if neck is None:
            return body
        own = build_space(neck.space, neck.space_args).network(neck.choices, inputs=body.feature_info)
        return ProductNetwork({"backbone": body, "neck": own})

    return "hand-made residual", build
