"""Image files of every kind are read as people see them, by all tasks alike."""

import io
import os
import zlib

import numpy as np
import pytest
from coco_files import write
from PIL import ExifTags, Image, ImageOps

from lightning_nas.tasks.classification import ImageFolderDataModule
from lightning_nas.tasks.detection import CocoDataModule
from lightning_nas.tasks.detection.coco import CocoError
from lightning_nas.tasks.images import read_rgb
from lightning_nas.tasks.images.files import image_files
from lightning_nas.tasks.images.reading import decoded_size, read_grey, shown_size
from lightning_nas.tasks.segmentation import MasksDataModule
from lightning_nas.tasks.segmentation.data.mask_files import read_mask
from lightning_nas.tasks.segmentation.data.pairs import SegmentationError

LOSSLESS = {"png": {}, "tif": {}, "webp": {"lossless": True}}


def pixels(height=5, width=7, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def save(array, path, turned=None, **options):
    image = Image.fromarray(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    if turned is None:
        image.save(path, **options)
    else:
        exif = image.getexif()
        exif[ExifTags.Base.Orientation] = turned
        image.save(path, exif=exif, **options)
    return path


# ---- pixels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [*LOSSLESS, "jpg"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_the_orientation_of_a_camera_is_followed(tmp_path, turned, ending):
    path = save(pixels(), tmp_path / f"a.{ending}", turned, **LOSSLESS.get(ending, {}))
    with Image.open(path) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(read_rgb(path), expected)
    assert decoded_size(path) == shown_size(path) == expected.shape[:2] == ((7, 5) if turned >= 5 else (5, 7))
    assert np.array_equal(read_grey(path), np.array(Image.fromarray(expected).convert("L"))[..., None])


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_is_no_fault(tmp_path, value):
    assert np.array_equal(read_rgb(save(pixels(), tmp_path / "a.png", value)), pixels())


def test_damaged_exif_data_are_no_fault(tmp_path):
    path = save(pixels(), tmp_path / "a.png", 6)
    raw = path.read_bytes()
    start = raw.index(b"eXIf") + 4
    body = b"XX" + raw[start + 2 : start + int.from_bytes(raw[start - 8 : start - 4], "big")]
    check = zlib.crc32(b"eXIf" + body).to_bytes(4, "big")
    path.write_bytes(raw[:start] + body + check + raw[start + len(body) + 4 :])
    assert np.array_equal(read_rgb(path), pixels())
    assert decoded_size(path) == (5, 7)


@pytest.mark.parametrize("kind", ["png", "tif", "pgm", "tif, big endian"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, kind):
    values = np.array([[0, 128, 129, 257], [65535, 65407, 32767, 1000]], np.uint16)
    path = tmp_path / f"a.{kind[:3]}"
    if kind == "pgm":
        path.write_bytes(b"P5\n4 2\n65535\n" + values.astype(">u2").tobytes())
    elif kind == "tif, big endian":
        image = Image.new("I;16B", (4, 2))
        image.frombytes(values.astype(">u2").tobytes())
        image.save(path)
    else:
        Image.fromarray(values).save(path)
    assert read_rgb(path)[..., 0].tolist() == [[0, 0, 1, 1], [255, 255, 127, 4]]
    assert read_grey(path)[..., 0].tolist() == [[0, 0, 1, 1], [255, 255, 127, 4]]
    assert decoded_size(path) == (2, 4)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_of_unknown_range_are_refused_by_name(tmp_path, kind):
    Image.fromarray(np.ones((4, 4), kind)).save(tmp_path / "depth.tif")
    for read in (read_rgb, read_grey, decoded_size):
        with pytest.raises(ValueError, match=r"depth\.tif.*32 bits.*8 or 16 bits"):
            read(tmp_path / "depth.tif")


@pytest.mark.parametrize("read", [read_rgb, read_grey, decoded_size, shown_size, read_mask])
@pytest.mark.parametrize("side", [13_400, 40_000])
def test_images_beyond_the_limit_are_refused_before_they_are_decoded(tmp_path, monkeypatch, read, side):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None if side < 14_000 else 10**8)
    image = io.BytesIO()
    Image.new("1", (side, 1)).save(image, "PNG")
    raw = bytearray(image.getvalue())
    raw[20:24] = side.to_bytes(4, "big")  # the height that the header promises
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(raw)
    with pytest.raises(ValueError, match=r"a\.png: more than 178,956,970 pixels, the most that are read"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_is_read(tmp_path, mode):
    ending = "tif" if mode in ("CMYK", "YCbCr") else "png"
    image = Image.fromarray(pixels()).convert(mode)
    image.save(tmp_path / f"a.{ending}")
    assert np.array_equal(read_rgb(tmp_path / f"a.{ending}"), np.array(image.convert("RGB")))
    assert read_grey(tmp_path / f"a.{ending}").shape == (5, 7, 1)


def test_transparent_palettes_are_read(tmp_path):
    image = Image.fromarray(pixels()).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes(range(256)))
    assert np.array_equal(read_rgb(tmp_path / "a.png"), np.array(image.convert("RGB")))


# ---- in the data of every task -----------------------------------------------------------------------------------------


def shown_square(turned):
    """A white object on black, as stored, and its box as shown; 24 x 40 as shown."""
    shown = np.zeros((24, 40, 3), np.uint8)
    shown[2:10, 5:25] = 255
    buffer = io.BytesIO()
    image, exif = Image.fromarray(shown), Image.Exif()
    exif[ExifTags.Base.Orientation] = turned
    image.save(buffer, "PNG", exif=exif)
    back = {6: 8, 8: 6}.get(turned, turned)  # the turn that undoes it
    exif[ExifTags.Base.Orientation] = back
    image.save(buffer := io.BytesIO(), "PNG", exif=exif)
    return np.array(ImageOps.exif_transpose(Image.open(buffer)))


@pytest.mark.parametrize("turned", range(1, 9))
def test_boxes_lie_where_a_labeller_saw_the_objects(tmp_path, turned):
    def change(data):
        data["images"] = [{"id": 1, "file_name": "1.png", "height": 24, "width": 40}]
        data["annotations"] = [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [5, 2, 20, 8]}]

    root = write(tmp_path, change)
    for split in ("train", "val"):
        save(shown_square(turned), root / split / "1.png", turned)
    data = CocoDataModule(str(root), "train", "val", augmentation="none")
    data.setup()
    image, target = data.train_set[0]
    left, top, right, bottom = target["boxes"][0].int().tolist()
    assert image[:, top:bottom, left:right].min() == 1
    assert image.sum() == 3 * 20 * 8


def test_annotations_of_the_stored_sides_are_refused_with_the_reason(tmp_path):
    root = write(tmp_path)
    save(pixels(48, 64), root / "train" / "1.png", 6)
    with pytest.raises(CocoError, match=r"1\.png is 64 x 48, annotated 48 x 64: its EXIF orientation turns it"):
        CocoDataModule(str(root), "train", "val").setup()


@pytest.mark.parametrize("turned", [3, 6])
def test_masks_lie_over_turned_images(tmp_path, turned):
    labels = (shown_square(1)[..., 0] > 0).astype(np.uint8)
    for split in ("train", "val"):
        save(shown_square(turned), tmp_path / "images" / split / "a.png", turned)
        save(labels, tmp_path / "masks" / split / "a.png")
    data = MasksDataModule(str(tmp_path), 2, augmentation="none", crop=None)
    data.setup()
    image, found = data.train_set[0]
    assert ((image[0] > 0.5).long() == found).all()


def test_a_turned_mask_is_turned_too(tmp_path):
    labels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    assert np.array_equal(read_mask(save(labels, tmp_path / "a.png", 6)), np.rot90(labels, -1))


@pytest.mark.parametrize("decode", [True, False])
def test_masks_of_the_stored_sides_are_refused_with_the_reason(tmp_path, decode):
    for split in ("train", "val"):
        save(pixels(24, 40), tmp_path / "images" / split / "a.png", 6)
        save(np.zeros((24, 40), np.uint8), tmp_path / "masks" / split / "a.png")
    with pytest.raises(SegmentationError, match=r"a\.png is 24 x 40.* is 40 x 24.*EXIF orientation"):
        MasksDataModule(str(tmp_path), 2, decode=decode, augmentation="none", crop=None).setup()


# ---- which files are images --------------------------------------------------------------------------------------------


def test_images_are_found_in_sub_folders_and_hidden_files_are_not(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.Jpeg", "._b.JPG", ".DS_Store", ".cache/d.png", "notes.txt", "sub/.e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["a.png", "b.JPG", "sub/c.Jpeg"]
    assert [path.name for path in image_files(tmp_path, without=tmp_path / "sub")] == ["a.png", "b.JPG"]


def test_linked_folders_are_followed_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "in" / "linked")
    os.symlink(tmp_path / "in", tmp_path / "in" / "round")
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path / "in")] == ["in/linked/a.png"]


def test_hidden_files_are_no_images_of_a_class(tmp_path):
    for label in ("cat", "dog"):
        for number in range(4):
            save(pixels(seed=number), tmp_path / label / f"{number}.PNG")
        (tmp_path / label / "._0.PNG").write_bytes(b"\0\5\x16\7")
        (tmp_path / label / ".DS_Store").write_bytes(b"\0")
    data = ImageFolderDataModule(str(tmp_path), val_fraction=0.25)
    data.setup()
    assert len(data.train_set) + len(data.val_set) == 8


def test_hidden_files_are_no_masks(tmp_path):
    for split in ("train", "val"):
        save(pixels(16, 16), tmp_path / "images" / split / "a.png")
        save(np.eye(16, dtype=np.uint8), tmp_path / "masks" / split / "a.png")
        for kind in ("images", "masks"):
            (tmp_path / kind / split / "._a.png").write_bytes(b"\0\5\x16\7")
    data = MasksDataModule(str(tmp_path), 2, augmentation="none", crop=None)
    data.setup()
    assert len(data.train_set) == len(data.val_set) == 1
