"""Files of every kind are predicted, or named before any work."""

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from predicted_folders import PREPARED, TASKS, noise, predict, predicted, save, task_of


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
