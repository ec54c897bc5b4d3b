"""The detection task: detectors, precision, arguments, normalisation."""

import json

import pytest
import torch
from small_detectors import BODY, batch, body, task, trainer

from lightning_nas.networks import convert_norms
from lightning_nas.spaces import NasFpn, Product
from lightning_nas.tasks.detection import DetectionTask, ShapesDataModule
from lightning_nas.tasks.detection.metrics import NAMES

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
    epochs = 2 if short else 6
    run = trainer(tmp_path, max_epochs=epochs, precision=precision, limit_val_batches=1, check_val_every_n_epoch=epochs)
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


# ---- arguments -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(shapes):
    return ShapesDataModule(str(shapes.root), image_size=64, train=16, val=7, test=7, batch_size=3, augmentation="none")


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
def test_every_argument_changes_the_result(few, tmp_path, change):
    def weights(**arguments):
        model = task(**arguments)
        trainer(tmp_path, max_epochs=2, limit_train_batches=1, limit_val_batches=0).fit(model, datamodule=few)
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
