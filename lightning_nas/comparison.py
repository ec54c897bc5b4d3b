"""The found network beside random ones and one made by hand, all trained with the same budget."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from lightning_nas.architecture import Architecture, Component, Option
from lightning_nas.commands.assemble import make_trainer
from lightning_nas.commands.config import ConfigError
from lightning_nas.commands.phases import EpochsOfPhase, Phases
from lightning_nas.cost import count_parameters
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.hand_made import residual_of_size
from lightning_nas.report.tables import RESIDUAL
from lightning_nas.search import SeedBatches
from lightning_nas.search.costs import UncountableError, macs_of_choice
from lightning_nas.search.trials import TrialResult, TrialRunner
from lightning_nas.spaces import Backbone, SearchSpace, build_space
from lightning_nas.spaces.product import ProductNetwork

HAND_MADE = "the one made by hand"


def contestants(config: DictConfig) -> list[str]:
    """What :func:`compare` trains, in order."""
    hand = [HAND_MADE] if config.evaluate.hand_made else []
    return ["found", *(f"random {index}" for index in range(config.evaluate.random)), *hand]


def training(name: str) -> str:
    """The phase of a run in which one of :func:`contestants` is trained."""
    return f"training {name}"


def compare(
    config: DictConfig,
    folder: Path,
    datamodule: Any,
    space: SearchSpace,
    architecture: Architecture,
    phases: Phases,
) -> list[TrialResult]:
    """Trains and tests the networks; those that have finished in the run's folder are read.

    Args:
        config: Of the search.
        folder: Of the run.
        datamodule: The data.
        space: The search space.
        architecture: The found one.
        phases: Of the run; there is one for :func:`training` each of :func:`contestants`.

    Returns:
        The results, the found network's first.

    Raises:
        ConfigError: If the nearest of several draws is wanted and the task's multiply-adds cannot be counted.
    """
    make_task = partial(evaluated_task(config), num_classes=datamodule.num_classes)
    runner = TrialRunner(
        folder,
        make_task=lambda backbone: make_task(backbone=backbone),
        make_trainer=lambda trial: make_trainer(
            config, trial, config.evaluate.epochs, [SeedBatches(config.seed), EpochsOfPhase(phases)]
        ),
        datamodule=datamodule,
        seed=config.seed,
    )
    phases.begin(training("found"))
    results = [runner.run("found", "found", partial(build_network, architecture))]
    rng = random.Random(config.seed)
    macs = partial(macs_of_choice, runner.make_task, datamodule)
    for index in range(config.evaluate.random):
        phases.begin(training(f"random {index}"))
        try:
            drawn = nearest_draw(space, rng, config.evaluate.draws, partial(build_network, architecture), macs)
        except UncountableError as error:
            raise ConfigError(f"evaluate.draws = {config.evaluate.draws}: {error}") from error
        results.append(runner.run(f"random {index}", "random", partial(space.network, drawn)))
    if config.evaluate.hand_made:
        phases.begin(training(HAND_MADE))
        name, build = hand_made(architecture, datamodule.in_channels, strides_given=not space.levels_follow_choices)
        results.append(runner.run(name, "baseline", build))
    return results


def evaluated_task(config: DictConfig) -> Callable[..., Any]:
    """The task of a search's comparison: that of the search, with the arguments of ``evaluate.task``."""
    task: Callable[..., Any] = instantiate(evaluated_config(config))
    return task


def evaluated_config(config: DictConfig) -> dict[str, Any]:
    """The config of :func:`evaluated_task`."""
    return {**config.task, **config.get("evaluate", {}).get("task", {})}


def nearest_draw(
    space: SearchSpace,
    rng: random.Random,
    draws: int,
    found: Callable[[], Backbone],
    macs: Callable[[Callable[[], Backbone]], int],
) -> dict[str, Option]:
    """Of some random architectures without a known defect the one nearest in multiply-adds to the found network.

    Args:
        space: The search space.
        rng: Of the draws.
        draws: How many; of one nothing is counted.
        found: Builds the found network.
        macs: Multiply-adds of the whole network that the task makes of what is built.

    Raises:
        UncountableError: If they cannot be counted.
    """
    drawn = [space.sample_sound(rng) for _ in range(draws)]
    if draws == 1:
        return drawn[0]
    aim = macs(found)
    return min(drawn, key=lambda choices: abs(macs(partial(space.network, choices)) - aim))


def hand_made(
    architecture: Architecture, in_channels: int, *, strides_given: bool = True
) -> tuple[str, Callable[[], Backbone]]:
    """What a found network is compared with, and how to build it.

    For a searched neck that is a plain FPN of the same width and levels on the found backbone; else a residual backbone
    with as many parameters as the found backbone alone, with the same neck if there is one. Multiply-adds are not matched.

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

    return RESIDUAL, build
