"""Levels of a detector: those of its paper, those that a backbone or neck gives, stacks of them."""

import random

import pytest
import torch
from small_detectors import BODY, batch, task, trainer

from lightning_nas.networks import ResidualBackbone
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Fpn, NasFpn, Product
from lightning_nas.strategies import Darts


def strides_of(model):
    return model.detector.backbone.strides


def test_faster_rcnn_has_the_pyramid_of_its_paper():
    model = task(detector="faster_rcnn", channels=64, anchor_scale=8.0)
    assert strides_of(model) == [4, 8, 16, 32, 64]
    assert model.detector.roi_heads.box_roi_pool.featmap_names == ["0", "1", "2", "3"]
    assert model.detector.rpn.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))
    assert not [name for name in model.neck.state_dict() if "extra" in name]
    with torch.no_grad():
        *_, fifth, sixth = model.eval().detector.backbone(torch.rand(1, 3, 128, 128)).values()
    assert torch.equal(sixth, fifth[:, :, ::2, ::2])


def test_one_stage_detectors_keep_retinanets_levels():
    for detector in ("retinanet", "fcos"):
        model = task(detector=detector)
        assert strides_of(model) == [8, 16, 32, 64, 128]
        assert [name for name in model.neck.state_dict() if "extra_blocks.convs.1" in name]


@pytest.mark.parametrize(("neck", "expected"), [("panet", 4), ("bifpn", 4), ("nas_fpn", 8)])
def test_levels_of_other_necks_with_faster_rcnn(neck, expected):
    model = task(detector="faster_rcnn", neck=neck)
    assert strides_of(model)[0] == expected
    pooled = model.detector.roi_heads.box_roi_pool.featmap_names
    assert [strides_of(model)[int(name)] for name in pooled] == [s for s in strides_of(model) if s <= 32]


def test_a_backbone_without_stride_four_gives_faster_rcnn_levels_from_three(shapes):
    network = ResidualBackbone(8, (8, 16, 32))
    model = task(detector="faster_rcnn", network=network)
    assert strides_of(model) == [8, 16, 32, 64]
    sum(model.train().detector(*batch(shapes, 2)).values()).backward()


def test_regions_of_a_network_with_its_neck_come_from_its_finer_levels():
    space = Product({"backbone": BODY, "neck": Fpn(channels=32)})
    network = space.network({f"backbone/{name}": "mbconv_k3_e3" for name in BODY.decisions})
    model = task(network=network, detector="faster_rcnn")
    assert strides_of(model) == [8, 16, 32, 64, 128]
    assert model.detector.roi_heads.box_roi_pool.featmap_names == ["0", "1", "2"]


def test_regions_pass_no_gradient_to_the_level_of_proposals_alone(shapes):
    """The box head sees levels 2 to 5 only: what is on level 6 changes no class of a region."""
    model = task(detector="faster_rcnn").eval()
    images, _ = model.detector.transform([torch.rand(3, 64, 64)])
    maps = model.detector.backbone(images.tensors)
    regions = [torch.tensor([[0.0, 0.0, 64.0, 64.0], [3.0, 3.0, 9.0, 9.0]])]
    pool = model.detector.roi_heads.box_roi_pool
    before = pool(maps, regions, images.image_sizes)
    maps["4"] = maps["4"] + 1e3
    assert torch.equal(pool(maps, regions, images.image_sizes), before)


@pytest.mark.parametrize("neck", ["fpn", "panet", "bifpn", "nas_fpn"])
def test_every_neck_fits_a_backbone(shapes, neck):
    images, targets = batch(shapes, 2)
    model = task(neck=neck).train()
    sum(model.detector(images, targets).values()).backward()
    assert all(p.grad is not None for p in model.neck.parameters() if p.numel() > 64)


def test_a_network_with_a_neck_gets_no_other(shapes):
    space = Product({"backbone": BODY, "neck": Fpn(channels=32)})
    network = space.network({f"backbone/{name}": "mbconv_k3_e3" for name in BODY.decisions})
    model = task(network=network)
    assert model.neck is None
    names = set(model.state_dict())
    assert any(name.startswith("backbone.parts.neck.") for name in names)
    assert not any(name.startswith("detector.backbone.") for name in names)
    parameters = [id(p) for p in model.parameters()]
    assert len(parameters) == len(set(parameters))


def stacked(repeats, **arguments):
    space = Product({"backbone": BODY, "neck": NasFpn(channels=32, cells=3, repeats=repeats, max_level=5)})
    torch.manual_seed(0)
    network = space.network(space.sample(random.Random(0)))
    return task(network=network, detector="retinanet", norm="group", **arguments)


def test_deep_supervision_is_the_mean_over_the_stacks(shapes):
    images, targets = batch(shapes, 2)
    model = stacked(3, deep_supervision=True).train()
    ours = model._losses(images, targets)
    neck = model.backbone.parts["neck"]
    stacks, expected = neck.stacks, []
    for count in (1, 2, 3):
        neck.stacks = stacks[:count]
        expected.append(model.detector(images, targets))
    neck.stacks = stacks
    for name, value in ours.items():
        torch.testing.assert_close(value, torch.stack([losses[name] for losses in expected]).mean())
    assert neck.results == []
    plain = stacked(3).train()
    torch.testing.assert_close(plain._losses(images, targets), expected[-1])


def test_deep_supervision_needs_stacks():
    with pytest.raises(ValueError, match="deep_supervision"):
        task(deep_supervision=True)


def test_a_supernet_learns_under_deep_supervision(shapes, tmp_path):
    space = Product({"backbone": BODY, "neck": NasFpn(channels=8, cells=3, repeats=2, max_level=5)})
    module = SearchModule(
        task(network=space.supernet(), detector="retinanet", norm="group", deep_supervision=True), Darts(lr=0.1)
    )
    before = {name: group.detach().clone() for name, group in module.supernet.logits.items()}
    trainer(tmp_path, limit_val_batches=0).fit(module, datamodule=BilevelDataModule(shapes))
    changed = [name for name, group in module.supernet.logits.items() if not torch.equal(group, before[name])]
    assert any(name.startswith("neck/") for name in changed)
