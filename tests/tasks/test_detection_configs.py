"""The configs of detection name every argument; the recipes say what their papers say."""

import inspect

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import get_object

from lightning_nas.commands.check import check_component
from lightning_nas.commands.components import make_space
from lightning_nas.commands.schema import register_schemas
from lightning_nas.cost import count_parameters


def composed(command, *overrides):
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose(command, list(overrides))


@pytest.mark.parametrize("command", ["search", "train"])
def test_the_task_brings_its_data_which_the_user_may_change(command):
    assert composed(command, "task=detection").data._target_.endswith("ShapesDataModule")
    assert composed(command, "task=detection", "data=coco").data._target_.endswith("CocoDataModule")
    assert composed(command).data._target_.endswith("DigitsDataModule")


def test_the_task_config_names_every_argument():
    node = composed("train", "task=detection").task
    parameters = inspect.signature(get_object(node["_target_"])).parameters
    assert set(node) - {"_target_", "_partial_"} == set(parameters) - {"backbone", "num_classes"}
    check_component(node, "task")


def test_coco_1x_is_twelve_epochs_of_retinanet():
    config = composed("train", "recipe=retinanet/train", "data.root=/coco")
    task = config.task
    assert (config.epochs, task.detector, task.min_size, task.max_size) == (12, "retinanet", 800, 1333)
    assert (task.optimizer, task.lr, task.momentum, task.weight_decay) == ("sgd", 0.01, 0.9, 1e-4)
    assert (task.schedule, list(task.milestones), task.warmup_steps, task.channels) == ("steps", [8, 11], 500, 256)
    small = composed("train", "recipe=retinanet/train_640", "data.root=/coco")
    assert (small.task.min_size, small.task.lr, small.epochs) == (640, 0.01, 12)


def test_the_proxy_of_nas_fpn_searches_the_neck_alone():
    config = composed("search", "recipe=nas_fpn/search", "data.root=/coco")
    space = make_space(config.space, 3)
    assert (config.search.epochs, config.task.min_size, space.spaces["neck"].repeats) == (10, 512, 3)
    free = [name for name in space.decisions if len(space.all_options(name)) > 1]
    assert all(name.startswith("neck/") for name in free)
    assert space.size() == space.spaces["neck"].size()


def test_detnas_has_its_three_stages():
    config = composed("search", "recipe=detnas/search", "data.root=/coco", "pretrain.data.root=/imagenet")
    for name in ("task", "data"):
        check_component(config.pretrain[name], f"pretrain.{name}")
        check_component(config[name], name)
    check_component(config.space, "space")
    check_component(config.strategy, "strategy")
    pretrain = config.pretrain.task
    assert (pretrain.lr, pretrain.schedule, pretrain.weight_decay, pretrain.label_smoothing) == (
        0.5,
        "linear",
        4e-5,
        0.1,
    )
    assert (config.task.lr, config.task.norm, config.task.min_size) == (0.02, "sync", 800)
    strategy = config.strategy
    assert (strategy.population, strategy.rounds, strategy.recalibration_batches) == (50, 20, 500)
    space = make_space(config.space, 3)
    assert space.size() == 4**20
    assert space.spaces["backbone"].split == "halves"
    supernet = space.supernet()
    assert supernet.feature_info.reduction() == [4, 8, 16, 32, 64]
    assert space.spaces["neck"].extra == "pool"
    assert (
        count_parameters(supernet.parts["backbone"], exclude=("logits",))
        == 8_491_688 - 1_025_000 - 640 * 1024 - 3 * 1024
    )
