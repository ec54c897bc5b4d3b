"""Predictions of a folder: images of any size, shape and kind, in batches of any size, with the names of the classes."""

import csv
import json

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import ExifTags, Image

from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.spaces import Chain
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask, ShapesDataModule
from lightning_nas.tasks.detection.resizing import Resizing
from lightning_nas.tasks.segmentation import SegmentationTask, StreetsDataModule

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
CLASSES = [{"id": 3, "name": "dog"}, {"id": 7, "name": "cat, tabby"}, {"id": 90, "name": "cow"}]
PREPARED = {"channels": 3, "resize": 20, "crop": 16, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
TASKS = ["classification", "detection", "segmentation"]
KINDS = ["retinanet", "fcos", "faster_rcnn"]


def detector(kind="fcos", **arguments):
    torch.manual_seed(0)
    small = {"min_size": 64, "max_size": 64, "channels": 32, "head_convs": 1, "anchor_scale": 2.0}
    network = BODY.network(dict.fromkeys(BODY.decisions, "mbconv_k3_e3"))
    return DetectionTask(network, 3, detector=kind, **{**small, **arguments})


def task_of(name):
    torch.manual_seed(0)
    if name == "detection":
        return detector().eval()
    body = ResidualBackbone(4, (2, 4, 8))
    return (ClassificationTask(body, 3) if name == "classification" else SegmentationTask(body, 3, channels=8)).eval()


def predict(model, images, out, batch_size=4, **more):
    model.predict_folder(images, out, CLASSES, batch_size=batch_size, **more)


def predicted(name, images, out, batch_size=4, **more):
    """The records of all images."""
    prepared = {"preparation": PREPARED} if name == "classification" else {}
    predict(task_of(name), images, out, batch_size, **prepared, **more)
    file = "detections.json" if name == "detection" else "predictions.json"
    return json.loads((out / file).read_text())


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def save(folder, name, array=None, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(20, 30) if array is None else array).save(path, **options)
    return path


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
                      enable_checkpointing=False, accelerator="cpu", max_epochs=1, **arguments)  # fmt: skip


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

SHAPES = [(1, 1), (1, 2), (2, 1), (1, 700), (700, 1), (3, 1500), (1500, 3), (5, 5), (33, 65), (900, 1300)]


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
    theirs = super(Resizing, resizing).resize(torch.ones(3, 50, 70))[0]
    assert torch.equal(resizing.resize(torch.ones(3, 50, 70))[0], theirs)


# ---- kinds of files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_files_of_every_kind_are_predicted(tmp_path, name):
    images = tmp_path / "images"
    array = noise(20, 30)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        save(images, f"{mode}.png", np.array(Image.fromarray(array).convert(mode).convert("RGBA")))
        Image.fromarray(array).convert(mode).save(images / f"{mode}.png")
    Image.fromarray(array[..., 0].astype(np.uint16) * 257).save(images / "deep.png")
    save(images, "upper.JPG", array)
    save(images, "sub/within.WebP", array)
    save(images, "film.tiff", array)
    (images / "._upper.JPG").write_bytes(b"\0\5\x16\7")
    (images / ".DS_Store").write_bytes(b"\0")
    (images / "notes.txt").write_text("no image")
    records = predicted(name, images, tmp_path / "out")["images"]
    names = [
        "1.png",
        "L.png",
        "LA.png",
        "P.png",
        "RGB.png",
        "RGBA.png",
        "deep.png",
        "film.tiff",
        "sub/within.WebP",
        "upper.JPG",
    ]
    assert [entry["file_name"] for entry in records] == names
    assert all((entry["height"], entry["width"]) == (20, 30) for entry in records)
    if name == "detection":
        assert (tmp_path / "out" / "sub" / "within.png").is_file()
    if name == "segmentation":
        assert (tmp_path / "out" / "labels" / "sub" / "within.png").is_file()


@pytest.mark.parametrize("name", TASKS)
def test_photos_are_predicted_as_they_are_shown(tmp_path, name):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright = noise(20, 30)
    save(tmp_path / "turned", "a.png", np.rot90(upright), exif=exif)
    save(tmp_path / "plain", "a.png", upright)
    first, second = (predicted(name, tmp_path / kind, tmp_path / f"out {kind}") for kind in ("turned", "plain"))
    assert first == second


@pytest.mark.parametrize("name", TASKS)
def test_a_damaged_file_is_named_before_any_work_or_left_out(tmp_path, name):
    images, out = tmp_path / "images", tmp_path / "out"
    for number in range(3):
        save(images, f"{number}.png", noise(20, 30))
    whole = (images / "2.png").read_bytes()
    for content in (whole[: len(whole) // 2], b"text", b""):
        (images / "2.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"2\.png: not an image.*; skip_invalid=true leaves"):
            predicted(name, images, out)
        assert not out.exists()
    with pytest.warns(UserWarning, match="image does not decode: 1"):
        records = predicted(name, images, out, skip_invalid=True)["images"]
    assert [entry["file_name"] for entry in records] == ["0.png", "1.png"]


@pytest.mark.parametrize("name", TASKS)
def test_a_folder_without_images_is_named(tmp_path, name):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"images = .*no image in this folder or below"):
        predicted(name, tmp_path / "images", tmp_path / "out")


@pytest.mark.parametrize("name", TASKS)
def test_images_are_named_in_whose_prediction_something_fails(tmp_path, name):
    save(tmp_path / "images", "a.png")
    model = task_of(name)
    model.backbone.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")))
    with pytest.raises(RuntimeError, match=r"a\.png: out of memory"):
        predict(model, tmp_path / "images", tmp_path / "out", preparation=PREPARED if name == "classification" else {})


@pytest.mark.parametrize("name", TASKS)
def test_earlier_predictions_within_the_folder_are_no_images(tmp_path, name):
    save(tmp_path, "a.png")
    for _ in range(2):
        records = predicted(name, tmp_path, tmp_path / "out")["images"]
        assert [entry["file_name"] for entry in records] == ["a.png"]


@pytest.mark.parametrize("name", ["detection", "segmentation"])
def test_images_that_differ_in_their_ending_only_are_refused(tmp_path, name):
    for file in ("a.png", "a.jpg", "sub/a.png"):
        save(tmp_path / "images", file)
    with pytest.raises(ValueError, match="several images are named 'a'"):
        predicted(name, tmp_path / "images", tmp_path / "out")
    (tmp_path / "images" / "a.jpg").unlink()
    assert len(predicted(name, tmp_path / "images", tmp_path / "out")["images"]) == 2


@pytest.mark.parametrize(("name", "file"), [("detection", "a/b.png"), ("segmentation", "labels/b.png")])
def test_no_image_is_written_over(tmp_path, name, file):
    path = save(tmp_path / "images", file)
    before = path.read_bytes()
    folder = {"detection": tmp_path / "images", "segmentation": path.parent}[name]
    with pytest.raises(ValueError, match=r"b\.png: this image would be written over"):
        predicted(name, folder, tmp_path / "images")
    assert path.read_bytes() == before


# ---- names ---------------------------------------------------------------------------------------------------------------


def test_detections_have_names_and_the_ids_of_the_data(tmp_path):
    save(tmp_path / "images", "a.png", noise(64, 64))
    model = detector("faster_rcnn").eval()
    predict(model, tmp_path / "images", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert found["categories"] == CLASSES
    names = {entry["id"]: entry["name"] for entry in CLASSES}
    assert len(found["annotations"]) > 3
    assert all(entry["category_name"] == names[entry["category_id"]] for entry in found["annotations"])


def test_segments_have_names_and_shares(tmp_path):
    save(tmp_path / "images", "a.png")
    (record,) = predicted("segmentation", tmp_path / "images", tmp_path / "out")["images"]
    labels = np.array(Image.open(tmp_path / "out" / record["labels"]))
    assert record["overlay"] == "overlays/a.png"
    names = {entry["id"]: entry["name"] for entry in CLASSES}
    assert {entry["id"] for entry in record["found"]} == set(labels.ravel().tolist())
    for entry in record["found"]:
        assert entry["name"] == names[entry["id"]]
        assert entry["share"] == pytest.approx((labels == entry["id"]).mean())
    shares = [entry["share"] for entry in record["found"]]
    assert shares == sorted(shares, reverse=True)
    assert Image.open(tmp_path / "out" / "legend.png").size[0] == 300


def test_segmentation_sees_images_at_the_scale_of_the_run(tmp_path):
    save(tmp_path / "images", "a.png", noise(21, 31))
    model = task_of("segmentation")
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    predict(model, tmp_path / "images", tmp_path / "out", preparation={"scale": 0.5})
    assert seen == [(10, 15)]
    assert Image.open(tmp_path / "out" / "labels" / "a.png").size == (31, 21)


def test_classes_are_listed_in_a_table_in_json_and_in_a_picture(tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    for number in range(5):
        save(images, f"${number}, first.png", noise(20, 20 + 4 * number, number))
    found = predicted("classification", images, out)
    assert found["classes"] == CLASSES
    rows = list(csv.reader((out / "predictions.csv").open(newline="")))
    assert rows[0] == ["file", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"]
    model = task_of("classification")
    for record, row in zip(found["images"], rows[1:], strict=True):
        pixels = np.array(Image.open(images / record["file_name"]))  # 20 high: the shorter side is that size already
        left = (pixels.shape[1] - 16) // 2
        x = (pixels[2:18, left : left + 16] / 255 - PREPARED["mean"]) / PREPARED["std"]
        with torch.no_grad():
            expected = model(torch.tensor(x, dtype=torch.float32).permute(2, 0, 1)[None]).softmax(1)[0]
        order = expected.argsort(descending=True).tolist()
        assert [entry["id"] for entry in record["classes"]] == [CLASSES[label]["id"] for label in order]
        assert [entry["probability"] for entry in record["classes"]] == pytest.approx(
            expected[order].tolist(), abs=1e-5
        )
        assert row[0] == record["file_name"]
        assert row[1::2] == [CLASSES[label]["name"] for label in order]
        assert [float(value) for value in row[2::2]] == pytest.approx(expected[order].tolist(), abs=1e-5)
    assert Image.open(out / "predictions.png").size == (950, 260)


def test_the_batch_size_changes_no_class(tmp_path):
    for number in range(5):
        save(tmp_path / "images", f"{number}.png", noise(20, 30, number))

    def classes(batch_size):
        found = predicted("classification", tmp_path / "images", tmp_path / str(batch_size), batch_size)
        return [entry for image in found["images"] for entry in image["classes"]]

    whole, single = classes(5), classes(1)
    assert [entry["id"] for entry in whole] == [entry["id"] for entry in single]
    assert [entry["probability"] for entry in whole] == pytest.approx([e["probability"] for e in single], abs=1e-5)


def test_a_run_that_did_not_record_its_preparation_is_refused(tmp_path):
    save(tmp_path / "images", "a.png")
    with pytest.raises(ValueError, match=r"preparation = \{\}: the run's summary\.json does not say"):
        predict(task_of("classification"), tmp_path / "images", tmp_path / "out")
