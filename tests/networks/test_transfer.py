"""Backbone weights from a run of another task."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lightning_nas.errors import WeightsError
from lightning_nas.networks import load_backbone_weights
from lightning_nas.spaces import Chain, Fpn, Product, ShuffleNetV2
from lightning_nas.spaces.record import from_architecture

SHUFFLE = {"stem_channels": 4, "widths": (8, 12, 16, 16), "depths": (1, 1, 1, 1)}


class Classifier(pl.LightningModule):
    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(backbone.feature_info.channels()[-1], 3)


def finished_run(folder, architecture):
    """What ``train.py`` leaves of a network: the record and a checkpoint."""
    space, choices = from_architecture(architecture)
    torch.manual_seed(1)
    model = Classifier(space.network(choices))
    architecture.save(folder / "architecture.json")
    (folder / "checkpoints").mkdir()
    torch.save({"state_dict": model.state_dict()}, folder / "checkpoints" / "last.ckpt")
    return model.backbone


def detector(backbone, choices):
    space = Product({"backbone": backbone, "neck": Fpn(channels=8)})
    chosen = {f"backbone/{name}": option for name, option in choices.items()}
    return space.network(chosen), space.architecture(chosen)


def test_the_backbone_of_a_detector_starts_from_a_classification(tmp_path):
    space = ShuffleNetV2(**SHUFFLE, head_channels=32)
    choices = space.from_indices([0, 1, 2, 3])
    trained = finished_run(tmp_path, space.architecture(choices))
    network, architecture = detector(ShuffleNetV2(**SHUFFLE, head_channels=0), choices)
    before = {name: value.clone() for name, value in network.parts["neck"].state_dict().items()}
    load_backbone_weights(network, architecture, tmp_path)
    x = torch.randn(2, 3, 64, 64)
    for ours, theirs in zip(network.parts["backbone"].eval()(x)[:3], trained.eval()(x)[:3], strict=True):
        torch.testing.assert_close(ours, theirs)
    assert all(torch.equal(value, before[name]) for name, value in network.parts["neck"].state_dict().items())


def test_another_detector_gives_its_backbone_too(tmp_path):
    space = ShuffleNetV2(**SHUFFLE, head_channels=0)
    choices = space.from_indices([0, 0, 0, 0])
    _, architecture = detector(space, choices)
    trained = finished_run(tmp_path, architecture)
    network, architecture = detector(space, choices)
    load_backbone_weights(network, architecture, tmp_path)
    expected = trained.parts["backbone"].state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.parts["backbone"].state_dict().items())


def test_another_architecture_is_refused(tmp_path):
    space = ShuffleNetV2(**SHUFFLE)
    finished_run(tmp_path, space.architecture(space.from_indices([0, 1, 2, 3])))
    network, architecture = detector(ShuffleNetV2(**SHUFFLE, head_channels=0), space.from_indices([0, 1, 2, 2]))
    with pytest.raises(WeightsError, match="which is not"):
        load_backbone_weights(network, architecture, tmp_path)
    other = Chain(widths=(8, 8, 8, 8), depths=(1,) * 4, strides=(2,) * 4)
    network, architecture = detector(other, dict.fromkeys(other.decisions, "mbconv_k3_e3"))
    with pytest.raises(WeightsError, match="which is not"):
        load_backbone_weights(network, architecture, tmp_path)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    network, architecture = detector(
        ShuffleNetV2(**SHUFFLE, head_channels=0), ShuffleNetV2(**SHUFFLE).from_indices([0] * 4)
    )
    with pytest.raises(FileNotFoundError, match=r"architecture\.json"):
        load_backbone_weights(network, architecture, tmp_path)


def test_tensors_that_are_missing_are_named(tmp_path):
    space = ShuffleNetV2(**SHUFFLE, head_channels=0)
    finished_run(tmp_path, space.architecture(space.from_indices([0] * 4)))
    torch.save({"state_dict": {"backbone.x": torch.zeros(1)}}, tmp_path / "checkpoints" / "last.ckpt")
    network, architecture = detector(space, space.from_indices([0] * 4))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match=r"tensors of the backbone are missing.*stem"):
        load_backbone_weights(network, architecture, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
