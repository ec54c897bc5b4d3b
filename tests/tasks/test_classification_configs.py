"""Every file of conf/data and conf/recipe composes, passes the checks, and says what the recipe says."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import get_object, instantiate

from lightning_nas.commands.check import check_component
from lightning_nas.commands.schema import register_schemas
from lightning_nas.errors import ConfigError
from lightning_nas.networks.backbone import build_network
from lightning_nas.spaces.published import published

CONF = Path(__file__).resolve().parents[2] / "conf"
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
RECIPES = sorted((CONF / "recipe").rglob("*.yaml"))


def composed(command: str, *overrides: str):
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose(command, list(overrides))


def command_of(path: Path) -> str:
    return "train" if "train" in path.stem else "search"


@pytest.mark.parametrize("name", DATA)
def test_data_configs_name_every_argument_and_pass_the_check(name):
    node = composed("train", f"data={name}").data
    check_component(node, "data")
    parameters = inspect.signature(get_object(node["_target_"])).parameters
    assert set(node) - {"_target_"} == set(parameters)
    assert node.seed == 0
    node.batch_size = "many"
    with pytest.raises(ConfigError, match=r"data\.batch_size"):
        check_component(node, "data")


@pytest.mark.parametrize("name", [name for name in DATA if name not in ("digits", "shapes", "streets")])
def test_data_without_a_root_are_refused_at_once(name):
    with pytest.raises(Exception, match="root = None"):
        instantiate(composed("train", f"data={name}").data)


def test_the_task_config_names_every_argument_with_its_default():
    node = composed("train").task
    parameters = inspect.signature(get_object(node["_target_"])).parameters
    assert set(node) - {"_target_", "_partial_"} == set(parameters) - {"backbone", "num_classes"}
    differing = {name for name, value in node.items() if name in parameters and parameters[name].default != value}
    assert not differing


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recipes_compose_and_pass_the_check(path):
    command = command_of(path)
    of_a_task = (CONF / "task" / f"{path.parent.name}.yaml").is_file()
    config = composed(
        command, f"recipe={path.parent.name}/{path.stem}", *([f"task={path.parent.name}"] if of_a_task else ())
    )
    for name in ("task", "data", "trainer", *(("space", "strategy", "evaluator") if command == "search" else ())):
        check_component(config[name], name)
    instantiate(config.trainer, logger=False, callbacks=[], accelerator="cpu", max_epochs=1)


def test_the_command_line_wins_over_the_recipe_and_the_recipe_over_the_command():
    assert composed("train").epochs != composed("train", "recipe=darts/train").epochs == 600
    config = composed("train", "recipe=darts/train", "epochs=3", "network.channels=16", "data=cifar100")
    assert (config.epochs, config.network.channels, config.network.cells) == (3, 16, 20)
    assert config.data["_target_"].endswith("Cifar100DataModule")
    assert config.data.cutout == 16


def test_the_retrain_recipes_are_those_of_darts():
    cifar = composed("train", "recipe=darts/train")
    assert dict(cifar.network) == {"channels": 36, "cells": 20}
    assert (cifar.epochs, cifar.drop_path, cifar.data.batch_size, cifar.data.cutout) == (600, 0.2, 96, 16)
    assert (cifar.data.augmentation, cifar.data.val_fraction) == ("cifar", 0.0)
    task = cifar.task
    assert (task.lr, task.lr_min, task.schedule, task.momentum, task.weight_decay) == (0.025, 0.0, "cosine", 0.9, 3e-4)
    assert (task.auxiliary_weight, task.label_smoothing) == (0.4, 0.0)

    imagenet = composed("train", "recipe=darts/train_imagenet")
    assert dict(imagenet.network) == {"channels": 48, "cells": 14, "stem": "imagenet"}
    assert (imagenet.epochs, imagenet.drop_path, imagenet.data.batch_size) == (250, 0.0, 128)
    task = imagenet.task
    assert (task.lr, task.schedule, task.lr_decay, task.momentum, task.weight_decay) == (
        0.1,
        "exponential",
        0.97,
        0.9,
        3e-5,
    )
    assert (task.auxiliary_weight, task.label_smoothing) == (0.4, 0.1)
    for config in (cifar, imagenet):
        assert (config.trainer.gradient_clip_val, config.trainer.gradient_clip_algorithm) == (5.0, "norm")


@pytest.mark.parametrize(
    ("recipe", "num_classes", "parameters"),
    [("darts/train", 10, 3_825_768), ("darts/train", 100, 3_946_908), ("darts/train_imagenet", 1000, 5_979_528)],
)
def test_the_recipes_build_the_published_networks(recipe, num_classes, parameters):
    config = composed("train", f"recipe={recipe}")
    with torch.device("meta"):
        backbone = build_network(published("darts_v2").with_args("backbone", **config.network))
        task = instantiate(config.task)(backbone=backbone, num_classes=num_classes)
    assert sum(p.numel() for p in task.parameters()) == parameters
