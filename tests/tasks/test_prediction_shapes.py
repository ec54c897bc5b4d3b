"""Images of any size and shape are predicted, also one alone."""

import json

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from predicted_folders import KINDS, detector, noise, predict, predicted, save

from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.tasks.detection import DetectionTask, ShapesDataModule
from lightning_nas.tasks.detection.resizing import Resizing
from lightning_nas.tasks.segmentation import SegmentationTask, StreetsDataModule

# ---- batches of one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head_norm", ["none", "group"])
def test_five_images_are_detected_in_batches_of_four(tmp_path, kind, head_norm):
    for number in range(5):
        save(tmp_path / "images", f"{number}.png", noise(64, 64, number))
    model = detector(kind, head_norm=head_norm).eval()
    for batch_size in (1, 4, 5, 9):
        predict(model, tmp_path / "images", tmp_path / str(batch_size), batch_size)
        found = json.loads((tmp_path / str(batch_size) / "detections.json").read_text())
        assert [entry["id"] for entry in found["images"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("neck", ["fpn", "panet", "bifpn", "nas_fpn"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_image_is_detected_on_and_trained_on_with_group_norm(kind, neck):
    model = detector(kind, norm="group", neck=neck)
    image = torch.rand(3, 64, 64)
    target = {"boxes": torch.tensor([[5.0, 5.0, 40.0, 50.0]]), "labels": torch.tensor([1])}
    losses = model.train().detector([image], [target])
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    with torch.no_grad():
        assert set(model.eval()([image])[0]) == {"boxes", "labels", "scores"}


def trainer(folder, **arguments):
    return pl.Trainer(default_root_dir=folder, logger=False, enable_progress_bar=False, enable_model_summary=False,
                      enable_checkpointing=False, num_sanity_val_steps=0, accelerator="cpu", max_epochs=1,
                      **arguments)  # fmt: skip


def test_detectors_validate_and_test_one_image_at_a_time(tmp_path):
    data = ShapesDataModule(str(tmp_path / "shapes"), image_size=64, train=2, val=3, test=3, batch_size=1)
    model = DetectionTask(detector().backbone, 4, detector="fcos", min_size=64, max_size=64, channels=32, head_convs=1,
                          norm="group", optimizer="adamw")  # fmt: skip
    run = trainer(tmp_path)
    run.fit(model, datamodule=data)
    run.test(model, datamodule=data, verbose=False)
    assert len(data.test_dataloader()) == 2  # a batch of two, and one of one


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_segmentation_learns_from_one_image_or_says_what_to_change(tmp_path, norm):
    data = StreetsDataModule(
        str(tmp_path / "streets"), height=32, width=32, train=1, val=1, test=1, crop=(32, 32), batch_size=2
    )
    model = SegmentationTask(ResidualBackbone(4, (2, 4, 8)), 19, channels=8, norm=norm)
    run = trainer(tmp_path)
    if norm == "group":
        run.fit(model, datamodule=data)
        run.test(model, datamodule=data, verbose=False)
    else:
        with pytest.raises(ValueError, match=r"batch of one image.*data\.batch_size=2.*task\.norm=group"):
            run.fit(model, datamodule=data)


def test_a_detector_with_batch_norm_says_what_to_change_for_one_image(tmp_path):
    data = ShapesDataModule(str(tmp_path / "shapes"), image_size=64, train=1, val=1, test=1, batch_size=1)
    model = DetectionTask(detector().backbone, 4, neck="bifpn", min_size=64, max_size=64, channels=32)
    with pytest.raises(ValueError, match=r"batch of one image.*data\.batch_size=2.*task\.norm=group"):
        trainer(tmp_path).fit(model, datamodule=data)


def test_other_errors_of_a_step_are_not_explained_away():
    from lightning_nas.tasks.images.norm_checks import explaining_single_values

    with pytest.raises(ValueError, match=r"^something else$"), explaining_single_values("x"):
        raise ValueError("something else")


# ---- sizes and shapes ----------------------------------------------------------------------------------------------------


SHAPES = [(1, 1), (1, 2), (2, 1), (1, 700), (700, 1), (3, 1500), (1500, 3), (5, 5), (33, 65), (300, 430)]


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_shape_are_detected_on(tmp_path, kind):
    for height, width in SHAPES:
        save(tmp_path / "images", f"{height}x{width}.png", noise(height, width))
    predict(detector(kind).eval(), tmp_path / "images", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "detections.json").read_text())
    sizes = {entry["id"]: (entry["height"], entry["width"]) for entry in found["images"]}
    assert sorted(sizes.values()) == sorted(SHAPES)
    for entry in found["annotations"]:
        (left, top, width, height), (most_high, most_wide) = entry["bbox"], sizes[entry["image_id"]]
        assert min(left, top, width, height) >= 0
        assert left + width <= most_wide + 0.01
        assert top + height <= most_high + 0.01
    for height, width in SHAPES:
        with Image.open(tmp_path / "out" / f"{height}x{width}.png") as picture:
            scale = max(1, 400 / max(height, width))
            assert picture.size == (max(round(width * scale), 1), max(round(height * scale), 1))


def test_pictures_of_very_long_images_can_be_drawn(tmp_path):
    save(tmp_path / "images", "long.png", noise(2, 70000))
    predict(detector().eval(), tmp_path / "images", tmp_path / "out")
    with Image.open(tmp_path / "out" / "long.png") as picture:
        assert picture.size == (8000, 1)


@pytest.mark.parametrize("head", ["deeplab", "per_level", "light"])
def test_images_of_every_shape_are_segmented(tmp_path, head):
    for height, width in SHAPES:
        save(tmp_path / "images", f"{height}x{width}.png", noise(height, width))
    model = SegmentationTask(ResidualBackbone(4, (2, 4, 8)), 3, channels=8, head=head).eval()
    for scale in (1.0, 0.25):
        predict(model, tmp_path / "images", tmp_path / "out", preparation={"scale": scale})
        for height, width in SHAPES:
            for kind in ("labels", "overlays"):
                with Image.open(tmp_path / "out" / kind / f"{height}x{width}.png") as picture:
                    assert picture.size == (width, height)


def test_images_of_every_shape_are_classified(tmp_path):
    for height, width in [*SHAPES, (1, 30000)]:
        save(tmp_path / "images", f"{height}x{width}.png", noise(height, width))
    found = predicted("classification", tmp_path / "images", tmp_path / "out")
    assert len(found["images"]) == 11


def test_thin_images_keep_a_pixel_and_their_boxes(tmp_path):
    resizing = Resizing(64, 64, [0.0] * 3, [1.0] * 3, 32)
    for shape in ((1, 1000), (1000, 1), (3, 640)):
        image, target = resizing.resize(torch.rand(3, *shape), {"boxes": torch.tensor([[0.0, 0.0, *shape[::-1]]])})
        assert image.shape[1:] == tuple(max(64 * side // max(shape), 1) for side in shape)
        assert target["boxes"][0].tolist() == pytest.approx([0, 0, *image.shape[:0:-1]])


def test_images_are_resized_as_torchvision_does_but_for_aliases():
    resizing = Resizing(64, 64, [0.0] * 3, [1.0] * 3, 32)
    for shape in ((30, 40), (61, 13), (50, 70), (201, 300)):
        image = torch.rand(3, *shape)
        ours, theirs = resizing.resize(image)[0], super(Resizing, resizing).resize(image)[0]
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, atol=1e-5) == (max(shape) < 64)
    stripes = torch.arange(192).remainder(3).eq(1).float().expand(3, 192, 192)
    (below, above) = resizing.resize(stripes)[0][:, 2:-2, 2:-2].aminmax()
    assert above - below < 0.05  # a third of the columns is white: grey
    assert above == pytest.approx(1 / 3, abs=0.05)
