"""A found backbone with its neck in torchvision's detectors, with its weights."""

import random

import pytest
import torch
from torchvision.models.detection import FCOS, RetinaNet

from lightning_nas import load_backbone
from lightning_nas.networks import as_pyramid
from lightning_nas.spaces import Chain, NasFpn, Product
from lightning_nas.tasks.detection import DetectionTask

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
SPACE = Product({"backbone": BODY, "neck": NasFpn(channels=32, repeats=2)})


@pytest.mark.parametrize("detector", [RetinaNet, FCOS])
def test_a_found_network_is_plugged_in_with_what_it_has_learnt(tmp_path, detector):
    choices = SPACE.sample(random.Random(0))
    architecture = SPACE.architecture(choices)
    architecture.save(tmp_path / "architecture.json")
    task = DetectionTask(SPACE.network(choices), 4)
    torch.save({"state_dict": task.state_dict()}, tmp_path / "last.ckpt")

    network = load_backbone(tmp_path / "architecture.json", weights=tmp_path / "last.ckpt")
    x = torch.randn(1, 3, 128, 128)
    for ours, theirs in zip(network.eval()(x), task.backbone.eval()(x), strict=True):
        assert torch.equal(ours, theirs)
    model = detector(as_pyramid(network), num_classes=91, min_size=128, max_size=128).train()
    target = {"boxes": torch.tensor([[10.0, 10.0, 60.0, 70.0]]), "labels": torch.tensor([3])}
    images = [torch.rand(3, 128, 128), torch.rand(3, 128, 128)]
    losses = model(images, [target, target])
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert set(model.eval()(images)[0]) == {"boxes", "scores", "labels"}


def test_maps_of_several_widths_need_a_pyramid():
    with pytest.raises(ValueError, match="with_fpn"):
        as_pyramid(BODY.network(dict.fromkeys(BODY.decisions, "mbconv_k3_e3")))
