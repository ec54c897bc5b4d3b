"""The detection task: detectors, precision, normalisation, metrics equal to pycocotools'."""

import json
import random

import pytest
import pytorch_lightning as pl
import torch

from lightning_nas.networks import ResidualBackbone, convert_norms
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Chain, Fpn, NasFpn, Product
from lightning_nas.strategies import Darts
from lightning_nas.tasks.detection import DetectionTask, ShapesDataModule
from lightning_nas.tasks.detection.metrics import NAMES

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
SMALL = {"min_size": 64, "max_size": 64, "channels": 32, "head_convs": 1, "warmup_steps": 2, "anchor_scale": 2.0}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    return ShapesDataModule(str(folder), image_size=64, train=16, val=7, test=7, batch_size=8, augmentation="none")


def body(seed=0):
    torch.manual_seed(seed)
    return BODY.network(dict.fromkeys(BODY.decisions, "mbconv_k3_e3"))


def task(seed=0, network=None, **arguments):
    network = body(seed) if network is None else network
    torch.manual_seed(seed)
    return DetectionTask(network, 4, **{**SMALL, **arguments})


def trainer(folder, **arguments):
    return pl.Trainer(
        accelerator="cpu", default_root_dir=folder, logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
        **{"max_epochs": 1, **arguments},
    )  # fmt: skip


def batch(data, count=8):
    data.setup()
    return data.collate([data.train_set[i] for i in range(count)])


# ---- detectors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", ["retinanet", "fcos", "faster_rcnn"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_detector_learns_and_tests(shapes, tmp_path, detector, precision):
    model = task(detector=detector, optimizer="adamw", lr=1e-3, schedule="cosine", norm="group")
    images, targets = batch(shapes)
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision != "32-true"):
        torch.manual_seed(0)
        before = sum(model.detector(images, targets).values()).item()
    # The linear layers of Faster R-CNN take minutes on a CPU without instructions for bfloat16: fewer epochs, then.
    short = detector == "faster_rcnn" and precision != "32-true"
    run = trainer(tmp_path, max_epochs=2 if short else 6, precision=precision, limit_val_batches=1)
    run.fit(model, datamodule=shapes)
    assert float(run.callback_metrics["train/loss"]) < (1.0 if short else 0.9) * before
    (metrics,) = run.test(model, datamodule=shapes, verbose=False)
    areas = torch.cat([shapes.test_set[i][1]["area"] for i in range(7)])
    assert areas.max() < 32**2  # nothing is said about larger ones, of which there are none
    assert set(metrics) == {f"test/{name}" for name in NAMES if not name.endswith(("_medium", "_large"))}
    assert all(0 <= value <= 1 for value in metrics.values())
    rows = json.loads((tmp_path / "detections.json").read_text())
    assert {row["category_id"] for row in rows} <= {2, 3, 5, 11}
    assert (tmp_path / "samples.jpg").stat().st_size > 1000


@pytest.mark.parametrize("detector", ["retinanet", "fcos", "faster_rcnn"])
def test_images_without_objects_give_finite_losses(shapes, detector):
    images, targets = batch(shapes, 2)
    empty = {name: value[:0] if value.dim() else value for name, value in targets[0].items()}
    model = task(detector=detector).train()
    losses = model.detector(images, [empty, empty])
    assert all(value.isfinite() for value in losses.values())
    sum(losses.values()).backward()


def test_boxes_keep_float32_coordinates_under_bfloat16(shapes):
    images, _ = batch(shapes, 2)
    for detector in ("retinanet", "fcos", "faster_rcnn"):
        model = task(detector=detector).eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found = model(images)
        boxes = torch.cat([entry["boxes"] for entry in found])
        assert boxes.dtype == torch.float32
        assert len(boxes) == 0 or not torch.equal(boxes, boxes.bfloat16().float())


def test_boxes_are_in_the_images_own_pixels(shapes):
    """Images of twice the size of the network's: detections span the whole of them."""
    images, _ = batch(shapes, 2)
    model = task(detector="faster_rcnn").eval()
    with torch.no_grad():
        small = model(images)
        large = model([torch.nn.functional.interpolate(x[None], scale_factor=2)[0] for x in images])
    assert max(float(entry["boxes"].max()) for entry in small) <= 64
    assert max(float(entry["boxes"].max()) for entry in large) > 100


# ---- levels --------------------------------------------------------------------------------------------------------------


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


# ---- arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"detector": "fcos"}, {"neck": "panet"}, {"channels": 64}, {"min_size": 96, "max_size": 96},
        {"anchor_scale": 4.0}, {"head_convs": 2}, {"head_norm": "group"}, {"norm": "group"}, {"norm": "frozen"},
        {"optimizer": "adamw"}, {"lr": 0.02}, {"momentum": 0.5}, {"weight_decay": 0.1}, {"schedule": "cosine"},
        {"milestones": [1]}, {"warmup_steps": 4},
    ],
    ids=str,
)  # fmt: skip
def test_every_argument_changes_the_result(shapes, tmp_path, change):
    def weights(**arguments):
        model = task(**arguments)
        trainer(tmp_path, max_epochs=2, limit_val_batches=0).fit(model, datamodule=shapes)
        return [p.detach() for p in model.parameters()]

    if not hasattr(test_every_argument_changes_the_result, "plain"):
        test_every_argument_changes_the_result.plain = (weights(), weights())
    first, second = test_every_argument_changes_the_result.plain
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    changed = weights(**change)
    same_shapes = [p.shape for p in first] == [p.shape for p in changed]
    assert not same_shapes or any(not torch.equal(a, b) for a, b in zip(first, changed, strict=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"detector": "yolo"}, {"neck": "none"}, {"channels": 0}, {"min_size": 65}, {"anchor_scale": 0.0}, {"head_convs": 5},
        {"head_norm": "batch"}, {"norm": "layer"}, {"optimizer": "lamb"}, {"schedule": "flat"}, {"warmup_steps": -1},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        task(**wrong)


def test_at_least_one_class():
    with pytest.raises(ValueError, match="num_classes"):
        DetectionTask(body(), 0)


# ---- normalisation ---------------------------------------------------------------------------------------------------------


def test_small_batches_are_warned_of_only_with_batch_norm(shapes, tmp_path):
    small = ShapesDataModule(str(shapes.root), image_size=64, train=16, val=7, test=7, batch_size=2)
    with pytest.warns(UserWarning, match="2 images per device are few for BatchNorm"):
        trainer(tmp_path, limit_train_batches=1, limit_val_batches=0).fit(task(), datamodule=small)
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(tmp_path, limit_train_batches=1, limit_val_batches=0).fit(task(norm="group"), datamodule=small)
        trainer(tmp_path, limit_train_batches=1, limit_val_batches=0).fit(task(), datamodule=shapes)
    assert not [entry for entry in caught if "BatchNorm" in str(entry.message)]


def test_synchronised_norm_is_refused_on_a_cpu(shapes, tmp_path):
    with pytest.raises(ValueError, match="sync"):
        trainer(tmp_path).fit(task(norm="sync"), datamodule=shapes)


def test_frozen_norm_computes_the_same_and_does_not_move():
    network = body().train()
    with torch.no_grad():
        network(torch.randn(4, 3, 64, 64))
    x = torch.randn(2, 3, 64, 64)
    expected = network.eval()(x)
    convert_norms(network, "frozen")
    network.train()
    for ours, theirs in zip(network(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]


@pytest.mark.parametrize("kind", ["frozen", "group", "sync"])
def test_supernets_can_be_converted(kind):
    supernet = Product({"backbone": BODY, "neck": NasFpn(channels=8, repeats=1)}).supernet()
    convert_norms(supernet, kind)
    assert not [m for m in supernet.modules() if type(m) is torch.nn.BatchNorm2d]
    if kind != "sync":
        assert len(supernet(torch.randn(2, 3, 128, 128))) == 5
