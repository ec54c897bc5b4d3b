"""What the network of somebody's own task costs, of which only the forward is known."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from counted_tower import WIDTH, Sized, Tower, tower_macs, tower_parameters
from torch import nn

from lightning_nas.errors import UncountableError
from lightning_nas.search.costs import cost_of_task, macs_of_choice


class Theirs(pl.LightningModule):
    """A task that offers nothing but its forward."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = Tower((4,)), nn.Conv2d(WIDTH, 2, 1)

    def forward(self, images):
        return self.head(self.backbone(images)[-1])


class OfLists(Theirs):
    def forward(self, images):
        if not isinstance(images, list):
            raise TypeError("images must be a list")
        return [self.head(self.backbone(image[None])[-1]) for image in images]


class ByName(Theirs):
    def forward(self, *, image, scale):
        return super().forward(image * scale)


class Batched(Theirs):
    def __init__(self, example):
        super().__init__()
        self.example_input_array = example


def theirs_macs(height, width):
    return tower_macs(height, width, (4,)) + height * width // 16 * WIDTH * 2


@pytest.mark.parametrize("task", [Theirs, OfLists])
def test_a_forward_on_a_batch_or_on_a_list_is_enough(task):
    cost = cost_of_task(task(), Sized())
    assert cost.network.macs == theirs_macs(32, 64)
    assert cost.network.parameters == tower_parameters((4,)) + WIDTH * 2 + 2


@pytest.mark.parametrize(
    "example", [torch.zeros(8, 3, 16, 8), (torch.zeros(8, 3, 16, 8),), {"images": torch.zeros(8, 3, 16, 8)}]
)
def test_lightnings_example_input_is_taken_and_of_it_one_image(example):
    cost = cost_of_task(Batched(example), Sized())
    assert cost.input_size == (3, 16, 8)
    assert (cost.backbone.macs, cost.network.macs) == (tower_macs(16, 8, (4,)), theirs_macs(16, 8))


def test_a_list_as_example_input():
    task = OfLists()
    task.example_input_array = [torch.zeros(3, 8, 8), torch.zeros(3, 16, 16)]
    assert cost_of_task(task, Sized()).network.macs == theirs_macs(8, 8)


def test_a_forward_that_cannot_be_run_is_an_error_or_a_warning():
    class Without(Theirs):
        forward = pl.LightningModule.forward

    for task in (Without(), ByName()):
        with pytest.raises(UncountableError, match="example_input_array"):
            cost_of_task(task, Sized())
        with pytest.raises(UncountableError, match=type(task).__name__):
            macs_of_choice(lambda backbone, task=task: task, Sized(), lambda: None)
        with pytest.warns(UserWarning, match="whole network is not known"):
            cost = cost_of_task(task, Sized(), strict=False)
        assert cost.network is None
        assert cost.backbone.macs == tower_macs(32, 64, (4,))
    task = ByName()
    task.example_input_array = {"image": torch.zeros(1, 3, 8, 8), "scale": torch.ones(())}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cost_of_task(task, Sized()).network.macs == theirs_macs(8, 8)


def test_an_unknown_image_size_is_named():
    with pytest.raises(ValueError, match="Theirs has neither input_size nor example_input_array"):
        cost_of_task(Theirs(), object())
