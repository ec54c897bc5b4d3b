"""The found network beside random ones and one made by hand, all trained with the same budget."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from lightning_nas.architecture import Architecture, Choices, Component, Option
from lightning_nas.assemble import make_trainer
from lightning_nas.cost import count_macs, count_parameters
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
    make_task = partial(evaluated_task(config), num_classes=datamodule.num_classes)
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
        drawn = nearest_draw(space, rng, config.evaluate.draws, results[0])
        results.append(runner.run(f"random {index}", "random", partial(space.network, drawn)))
    if config.evaluate.hand_made:
        name, build = hand_made(architecture, datamodule.in_channels, strides_given=not space.levels_follow_choices)
        results.append(runner.run(name, "baseline", build))
    return results


def evaluated_task(config: DictConfig) -> Callable[..., Any]:
    """The task of a search's comparison: that of the search, with the arguments of ``evaluate.task``."""
    task: Callable[..., Any] = instantiate({**config.task, **config.get("evaluate", {}).get("task", {})})
    return task


def nearest_draw(space: SearchSpace, rng: random.Random, draws: int, found: TrialResult) -> dict[str, Option]:
    """Of some random architectures without a known defect the one whose multiply-adds are nearest to the found network's."""
    drawn = [space.sample_sound(rng) for _ in range(draws)]
    if draws == 1:
        return drawn[0]

    def distance(choices: Choices) -> int:
        with torch.random.fork_rng(devices=[]):
            return abs(count_macs(space.network(choices), found.input_size) - found.macs)

    return min(drawn, key=distance)


def hand_made(
    architecture: Architecture, in_channels: int, *, strides_given: bool = True
) -> tuple[str, Callable[[], Backbone]]:
    """What a found network is compared with, and how to build it.

    For a searched neck that is a plain FPN of the same width and levels on the found backbone; else a residual backbone
    with as many parameters as the found one, with the same neck if there is one.

    Args:
        architecture: The found one.
        in_channels: Channels of the image.
        strides_given: Whether the strides of the maps are those of the space; where the search has chosen them, the residual
            network has the usual ones of dense prediction, 2 to 16.
    """
    neck = architecture.components.get("neck")
    if neck is not None and neck.choices:
        fpn = Component("fpn", {name: neck.space_args[name] for name in ("channels", "min_level", "max_level")}, {})
        return "plain FPN", partial(build_network, Architecture({**architecture.components, "neck": fpn}))
    found = build_network(Architecture({"backbone": architecture.components["backbone"]}))
    reductions = tuple(found.feature_info.reduction()) if strides_given else (2, 4, 8, 16)
    size = count_parameters(found)

    def build() -> Backbone:
        body = residual_of_size(size, reductions, in_channels)
        if neck is None:
            return body
        own = build_space(neck.space, neck.space_args).network(neck.choices, inputs=body.feature_info)
        return ProductNetwork({"backbone": body, "neck": own})

    return "hand-made residual", build
