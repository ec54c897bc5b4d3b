"""Detectors whose image size, backbone, neck and head are searched together, and the plain ones that are cut out of them."""

import random

import pytest
import pytorch_lightning as pl
import torch

from lightning_nas import spaces
from lightning_nas.errors import ArgumentError
from lightning_nas.networks import cut_network
from lightning_nas.search import ElasticModule, SampledPaths
from lightning_nas.spaces import (
    AtrousHead,
    Chain,
    ElasticNeck,
    ImageSize,
    Product,
    TowerHead,
    from_architecture,
)
from lightning_nas.strategies import Elastic
from lightning_nas.tasks.detection import DetectionTask

BODY = spaces.Elastic("mobilenetv2_050", kernels=(3, 5), depths=(1,), widths=(50,))
CHAIN = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 8, 8), depths=(1,) * 4, strides=(2,) * 4)
NECK = ElasticNeck("fpn", channels=32, widths=(50, 75), max_level=6)
HEAD = TowerHead(convs=(1, 2, 3))
SPACE = Product({"image": ImageSize(scales=(50, 100)), "backbone": BODY, "neck": NECK, "head": HEAD})


def task(network, **arguments):
    torch.manual_seed(0)
    return DetectionTask(
        network,
        4,
        **{"min_size": 64, "max_size": 96, "anchor_scale": 2.0, "warmup_steps": 0, "detector": "fcos", **arguments},
    )


def raw(model, images):
    """What the head says of images, and the detections."""
    kept = []
    head = model.detector.rpn.head if hasattr(model.detector, "rpn") else model.detector.head
    hook = head.register_forward_hook(lambda module, args, output: kept.append(output))
    with torch.no_grad():
        detections = model([image.clone() for image in images])
    hook.remove()
    output = kept[0]
    values = list(output.values()) if isinstance(output, dict) else [tensor for part in output for tensor in part]
    return values, detections


@pytest.mark.parametrize(
    ("neck", "arguments"),
    [
        (NECK, {"detector": "fcos"}),
        (ElasticNeck("bifpn", 32, (50,), (1, 2), max_level=5), {"detector": "retinanet", "head_norm": "group"}),
        (ElasticNeck("panet", 16, (50,), max_level=5), {"detector": "retinanet"}),
        (NECK, {"detector": "faster_rcnn"}),
    ],
    ids=["fcos", "retinanet_group", "retinanet", "faster_rcnn"],
)
def test_the_plain_detector_that_is_cut_out_says_what_the_active_path_says(neck, arguments):
    parts = {"image": ImageSize(scales=(50, 100)), "backbone": BODY, "neck": neck, "head": HEAD}
    if arguments["detector"] == "faster_rcnn":
        del parts["head"]
    space = Product(parts)
    whole = task(space.supernet(), **arguments)
    with torch.no_grad():
        for parameter in whole.detector.parameters():  # nothing stays at the 0.01 it starts from
            parameter.add_(0.1 * torch.randn_like(parameter))
    images = [torch.rand(3, 64, 80), torch.rand(3, 50, 50)]
    whole.eval()
    drawn = [space.sample(random.Random(seed)) for seed in range(2)]
    for choices in [space.smallest(), space.largest(), *drawn]:
        whole.backbone.activate(choices)
        rebuilt, again = from_architecture(space.architecture(choices))
        plain = task(rebuilt.network(again), **arguments)
        plain.load_state_dict(cut_network(whole, plain, choices))
        assert not [
            m for m in plain.modules() if type(m).__module__.endswith((".elastic", "elastic_heads", "conversion"))
        ]
        plain.eval()
        (ours, found), (theirs, expected) = raw(plain, images), raw(whole, images)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        for one, other in zip(found, expected, strict=True):
            assert len(one["boxes"]) == len(other["boxes"])
            torch.testing.assert_close(one["scores"], other["scores"], rtol=1e-4, atol=1e-5)


def test_the_head_of_a_found_detector_has_the_size_that_was_chosen():
    for choices, convs, width in ((SPACE.smallest(), 1, 16), (SPACE.largest(), 3, 32)):
        found = task(SPACE.network(choices), head_convs=4)
        tower = found.detector.head.classification_head.conv
        assert len(tower) == 3 * convs
        assert tower[0].out_channels == width
        assert tower[1].num_channels // tower[1].num_groups == 4


def test_gradients_reach_what_is_active_and_nothing_else():
    model = task(SPACE.supernet()).train()
    model.backbone.activate(SPACE.smallest())
    target = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.ones(1, dtype=torch.long)}
    losses = model.detector([torch.rand(3, 64, 64)] * 2, [dict(target), dict(target)])
    sum(losses.values()).backward()
    tower = model.detector.head.classification_head.conv
    grad = tower[0].weight.grad
    assert grad[:16, :16].any()
    assert not grad[16:].any()
    assert not grad[:, 16:].any()
    assert tower[3].weight.grad is None


@pytest.mark.parametrize("body", [CHAIN, BODY], ids=["chain", "elastic"])
def test_sampled_paths_train_every_part(shapes, tmp_path, body):
    parts = dict(SPACE.spaces) | {"backbone": body}
    model = task(Product(parts).supernet())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path, callbacks=[SampledPaths(0)],
    )  # fmt: skip
    trainer.fit(model, datamodule=shapes)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    for part in ("backbone.parts.backbone", "backbone.parts.neck", "detector.head"):
        assert any(name.startswith(part) for name in moved)
    assert trainer.callback_metrics["train/loss"].isfinite()


def test_small_networks_learn_from_the_largest_one_on_images_of_the_same_size(shapes, tmp_path):
    strategy = Elastic(rule="sandwich", networks=1, distillation=0.5)
    sizes = [[choices["image/size"] for choices in strategy.step(SPACE, step=step)] for step in range(8)]
    assert {len(set(step)) for step in sizes} == {1}
    assert {step[0] for step in sizes} == {50, 100}
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, limit_train_batches=3, limit_val_batches=0, logger=False,
        enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(ElasticModule(task(SPACE.supernet()), strategy), datamodule=shapes)
    assert trainer.callback_metrics["search/distillation"] > 0


@pytest.mark.parametrize(
    ("head", "detector", "named"),
    [(AtrousHead(), "fcos", "atrous_head"), (HEAD, "faster_rcnn", "faster_rcnn")],
)
def test_a_head_that_the_detector_cannot_build_is_refused(head, detector, named):
    space = Product({"backbone": CHAIN, "neck": ElasticNeck(channels=16, max_level=5), "head": head})
    with pytest.raises(ArgumentError, match=named):
        task(space.supernet(), detector=detector)
