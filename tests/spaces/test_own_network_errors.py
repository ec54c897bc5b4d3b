"""Networks that cannot be elastic, and arguments that do not fit: said before any work, by name."""

import sys

import pytest
import pytorch_lightning as pl
import torch
from own_networks import Residual, UNet, lively
from torch import nn

import lightning_nas
from lightning_nas.errors import ArgumentError

X = torch.rand(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (0.5, 0.75)}, r"widths must be .* 1\.0 among them, got \(0\.5, 0\.75\)"),
        ({"widths": (0, 1)}, r"widths must be .* got \(0, 1\)"),
        ({"widths": 0.5}, r"widths must be .* got 0\.5"),
        ({"keep": ["stam"]}, r"keep: UNet has no module 'stam'"),
        ({"keep": "stem"}, r"keep must be a list"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        lightning_nas.elastic(UNet(), X, **arguments)


def test_an_example_that_the_network_cannot_take_is_named():
    with pytest.raises(ArgumentError, match=r"example_input: UNet cannot be run on it \(RuntimeError"):
        lightning_nas.elastic(UNet(), torch.rand(1, 4, 8, 8))
    with pytest.raises(ArgumentError, match=r"example_input must be a tensor"):
        lightning_nas.elastic(UNet(), "image")


def test_what_is_no_network_or_elastic_already_is_refused():
    with pytest.raises(ArgumentError, match=r"model must be a torch\.nn\.Module, got int"):
        lightning_nas.elastic(3, X)
    net = lightning_nas.elastic(lively(UNet()), X)
    with pytest.raises(ArgumentError, match=r"model is elastic already"):
        lightning_nas.elastic(net, X)


def test_a_network_that_cuts_the_graph_is_refused():
    class Argmax(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)

        def forward(self, x):
            return self.conv(x).argmax(1)

    with pytest.raises(ArgumentError, match=r"outputs of Argmax do not depend on its weights .* its backbone"):
        lightning_nas.elastic(Argmax(), X)


def test_a_network_of_outputs_alone_is_refused():
    with pytest.raises(ArgumentError, match=r"nothing of Conv2d can be elastic"):
        lightning_nas.elastic(nn.Conv2d(3, 8, 1), X)


def test_a_network_that_counts_its_channels_keeps_them_and_the_reason_is_said():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x):
            return self.head(self.second(self.first(x)[:, torch.arange(8)]).relu())

    net = lightning_nas.elastic(lively(Counting()), X)
    assert net.space.groups == ("second",)
    assert "does not run with fewer" in net.fixed["first"]


def test_channels_that_are_normalised_against_each_other_keep_their_number():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x):
            return self.head(self.second(self.first(x).softmax(1)).relu())

    net = lightning_nas.elastic(lively(Attending()), X)
    assert net.space.groups == ("second",)
    assert "the outputs change in more than" in net.fixed["first"]


def test_what_is_kept_stays_with_its_blocks():
    net = lightning_nas.elastic(lively(UNet()), X, keep=["coarse", "up"])
    assert net.space.blocks == ("fine",)
    assert net.space.groups == ("stem.0", "fine.conv1", "fine.conv2", "fine.squeeze.down", "merge.0")


def test_depth_may_stay():
    net = lightning_nas.elastic(nn.Sequential(Residual(3)), X, depth=False)
    assert net.space.blocks == ()
    assert net.space.groups


def test_a_search_by_gradients_is_refused():
    with pytest.raises(ValueError, match=r"space 'own_network', which has no logits.*SampledPaths"):
        lightning_nas.SearchModule(_Task(lightning_nas.elastic(lively(UNet()), X)), lightning_nas.strategies.Darts())


class _Task(pl.LightningModule):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def training_step(self, batch, batch_idx):
        return self.net(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_without_torch_pruning_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(ImportError, match=r"torch_pruning is not installed.*pip install torch-pruning"):
        lightning_nas.elastic(UNet(), X)
