"""The configs of segmentation name every argument; the recipes say what their papers say."""

import inspect

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import get_object, instantiate

from lightning_nas.commands.check import check_component
from lightning_nas.commands.components import evaluated_task, make_space
from lightning_nas.commands.schema import register_schemas
from lightning_nas.cost import count_parameters
from lightning_nas.networks.backbone import build_network
from lightning_nas.spaces.published import published


def composed(command, *overrides):
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose(command, list(overrides))


@pytest.mark.parametrize("command", ["search", "train"])
def test_the_task_brings_its_data_which_the_user_may_change(command):
    assert composed(command, "task=segmentation").data._target_.endswith("StreetsDataModule")
    assert composed(command, "task=segmentation", "data=masks").data._target_.endswith("MasksDataModule")


def test_the_task_config_names_every_argument():
    node = composed("train", "task=segmentation").task
    parameters = inspect.signature(get_object(node["_target_"])).parameters
    assert set(node) - {"_target_", "_partial_"} == set(parameters) - {"backbone", "num_classes"}
    check_component(node, "task")


def test_the_small_recipe_searches_with_one_head_and_compares_with_another():
    config = composed("search", "task=segmentation")
    assert config.space._target_.endswith("AutoDeepLab")
    assert config.task.head == "per_level"
    assert evaluated_task(config)["head"] == "deeplab"
    assert config.strategy == composed("search", "strategy=random").strategy
    assert (config.evaluator.epochs, config.trials.count) == (config.evaluate.epochs, 6)
    assert "epochs" not in composed("search", "task=segmentation", "evaluator=one_shot").evaluator
    assert evaluated_task(composed("search"))["lr"] == composed("search").task.lr


def test_the_recipe_of_darts_has_the_strategy_of_the_paper():
    config = composed("search", "recipe=darts/search", "data.root=/cifar")
    assert (config.strategy.lr, config.strategy.weight_decay, list(config.strategy.betas)) == (3e-4, 1e-3, [0.5, 0.999])


def test_the_search_of_auto_deeplab_is_that_of_the_paper():
    config = composed("search", "recipe=auto_deeplab/search", "data.root=/cityscapes")
    assert (list(config.data.crop), config.data.image_scale, config.data.batch_size) == ([321, 321], 0.5, 2)
    assert (config.search.epochs, config.search.warmup_epochs, config.search.fraction) == (40, 20, 0.5)
    task = config.task
    assert (task.optimizer, task.lr, task.lr_min, task.schedule, task.weight_decay) == (
        "sgd",
        0.025,
        0.001,
        "cosine",
        3e-4,
    )
    assert (config.strategy.order, config.strategy.lr, config.strategy.weight_decay) == (1, 3e-3, 1e-3)
    space = make_space(config.space, 3)
    assert (space.channels, space.layers, space.blocks) == (8, 12, 5)
    assert space.trellis.count_paths() == 28_657


@pytest.mark.parametrize(
    ("overrides", "parameters"),
    [([], 10_147_427), (["++network.channels=32"], 21_622_451), (["++network.channels=48"], 44_424_691)],
)
def test_the_retraining_of_auto_deeplab_is_that_of_the_paper(overrides, parameters):
    config = composed("train", "recipe=auto_deeplab/train", "data.root=/cityscapes", *overrides)
    task = config.task
    assert (task.lr, task.schedule, task.power, task.momentum, task.weight_decay) == (0.05, "poly", 0.9, 0.9, 4e-5)
    assert list(config.data.crop) == [769, 769]
    assert config.epochs * (2975 // 16 + 1) == pytest.approx(1.5e6, rel=0.01)
    with torch.device("meta"):
        backbone = build_network(published("auto_deeplab").with_args("backbone", **config.network))
        built = instantiate({**task, "norm": "batch"})(backbone=backbone, num_classes=19)
    assert count_parameters(built) == parameters


def test_the_real_time_recipes_price_latency():
    config = composed("search", "recipe=gas/search", "data.root=/cityscapes")
    strategy = config.strategy
    assert (strategy.terms.latency.weight, strategy.sampler.tau_start, strategy.sampler.tau_end) == (0.1, 1.0, 0.03)
    assert (config.task.head, config.task.lr, config.task.weight_decay) == ("light", 0.038, 5e-4)
    space = make_space(config.space, 3)
    assert (space.channels, space.cells, space.guided) == (8, 14, True)
    retrain = composed("train", "recipe=gas/train", "data.root=/cityscapes")
    assert (retrain.task.lr, retrain.task.schedule) == (0.01, "poly")
