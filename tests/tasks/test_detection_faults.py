"""COCO data that are wrong are named, or counted and left out."""

import pytest
from coco_files import annotation, module, write
from PIL import Image

from lightning_nas.tasks.detection.coco import CocoError


def added(**changes):
    entry = annotation(99, 1, [1, 1, 5, 5])
    entry.update(changes)
    return lambda data: data["annotations"].append(entry)


SPOILT = {
    "zero width": (added(bbox=[5, 5, 0, 9]), "annotation 99.*no area", "box without area"),
    "negative height": (added(bbox=[5, 5, 4, -2]), "annotation 99.*no area", "box without area"),
    "hardly any width": (added(bbox=[5, 5, 0.009, 9]), "annotation 99.*narrower than 0.01 pixels", "box without area"),
    "sliver inside": (added(bbox=[63.995, 5, 0.5, 9]), "annotation 99.*outside", "box outside"),
    "outside": (added(bbox=[60, 5, 20, 9]), "annotation 99.*outside", "box outside"),
    "left of it": (added(bbox=[-9, 5, 5, 9]), "annotation 99.*outside", "box outside"),
    "not numbers": (added(bbox=[1, 2, None, 3]), r"annotation 99.*\[x, y, width, height\]", "malformed box"),
    "three numbers": (added(bbox=[1, 2, 3]), r"annotation 99.*\[x, y, width, height\]", "malformed box"),
    "unknown category": (added(category_id=5), "annotation 99: category 5 is unknown", "unknown category"),
    "unknown image": (added(image_id=8), "annotation 99: there is no image with id 8", "unknown image"),
    "repeated id": (added(id=11), "annotation 11: the id occurs twice", "repeated id"),
    "area below 0": (added(area=-1), "annotation 99: area = -1: expected a number from 0", "malformed area or iscrowd"),
    "area beyond": (added(area=1e9), "annotation 99: area = 1000000000.0: .* 64 x 48", "malformed area or iscrowd"),
    "area is no number": (added(area=float("nan")), "annotation 99: area = nan", "malformed area or iscrowd"),
    "area is text": (added(area="9"), "annotation 99: area = '9'", "malformed area or iscrowd"),
    "crowd is text": (
        added(iscrowd="0"),
        "annotation 99: iscrowd = '0' is text, expected 0 or 1",
        "malformed area or iscrowd",
    ),
    "crowd is false as text": (
        added(iscrowd="false"),
        "annotation 99: iscrowd = 'false' is text",
        "malformed area or iscrowd",
    ),
    "crowd is no number": (added(iscrowd=float("nan")), "annotation 99: iscrowd = nan", "malformed area or iscrowd"),
    "crowd of 2": (added(iscrowd=2), "annotation 99: iscrowd = 2, expected 0 or 1", "malformed area or iscrowd"),
    "id is a list": (added(id=[99]), r"annotation \[99\]: expected a whole number or a text", "malformed id"),
    "image is text": (
        added(image_id="1"),
        "annotation 99: image_id = '1' is text, expected a whole number",
        "malformed id",
    ),
    "image is a list": (added(image_id=[1]), r"annotation 99: image_id = \[1\] is a list", "malformed id"),
    "category is an object": (added(category_id={}), "annotation 99: category_id = {} is an object", "malformed id"),
    "category is true": (added(category_id=True), "annotation 99: category_id = True is true or false", "malformed id"),
    "box beyond floats": (added(bbox=[1, 2, 10**400, 3]), "annotation 99: bbox must be", "malformed box"),
    "box of infinite width": (added(bbox=[1, 2, float("inf"), 3]), "annotation 99: bbox must be", "malformed box"),
    "box of true": (added(bbox=[1, 2, True, 3]), "annotation 99: bbox must be", "malformed box"),
    "no object": (lambda data: data["annotations"].append(7), r"annotation 7: lacks", "incomplete"),
    "no box": (lambda data: data["annotations"][0].pop("bbox"), r"annotation 11: lacks \['bbox'\]", "incomplete"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_invalid_annotations_are_named_or_counted(tmp_path, kind):
    change, said, counted = SPOILT[kind]
    root = write(tmp_path, change)
    with pytest.raises(CocoError, match=f"instances_train.json: {said}"):
        module(root).setup()
    data = module(root, skip_invalid=True)
    with pytest.warns(UserWarning, match=f"{counted}: 1"):
        data.setup()
    assert sum(len(image.objects.boxes) for image in data.split("train").images) in (3, 4)


def test_a_missing_or_damaged_image_is_named_or_left_out(tmp_path):
    root = write(tmp_path)
    (root / "train" / "2.png").unlink()
    with pytest.raises(CocoError, match=r"image 2: .*2\.png does not exist"):
        module(root).setup()
    Image.new("RGB", (40, 64)).save(root / "train" / "2.png")
    whole = (root / "train" / "2.png").read_bytes()
    (root / "train" / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CocoError, match=r"image 2: .*2\.png: not an image"):
        module(root).setup()
    data = module(root, skip_invalid=True)
    with pytest.warns(UserWarning, match="image does not decode: 1"):
        data.setup()
    assert [image.id for image in data.split("train").images] == [1, 3]
    module(root, decode=False).setup()


def test_an_image_of_another_size_is_named(tmp_path):
    root = write(tmp_path)
    Image.new("RGB", (41, 64)).save(root / "train" / "2.png")
    with pytest.raises(CocoError, match=r"image 2.*64 x 41, annotated 64 x 40"):
        module(root).setup()


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"instances_train\.json: there is no such annotation file"):
        module(tmp_path).setup()
    root = write(tmp_path / "x")
    (root / "val").rename(root / "other")
    with pytest.raises(FileNotFoundError, match="val: there is no such folder of images"):
        module(root).setup()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a COCO file"),
        ('{"images": [], "annotations": [], "categories": []}', "empty"),
        (
            '{"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}',
            "expected image records with",
        ),
        ('{"images": [{}], "annotations": [], "categories": [{"id": 1}]}', "expected category records with"),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": [], "images": [], "annotations": [], "categories": []}', r"duplicate keys .*\['images'\]"),
        (b"\xff\xfe\x00", "not UTF-8 text, nor UTF-16"),
    ],
)
def test_files_that_are_not_coco_are_refused(tmp_path, content, said):
    root = write(tmp_path)
    raw = content if isinstance(content, bytes) else content.encode()
    (root / "annotations" / "instances_train.json").write_bytes(raw)
    with pytest.raises(CocoError, match=said):
        module(root).setup()


def changed_image(**changes):
    return lambda data: data["images"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed_image(id="1"), "image id = '1' is text, expected a whole number"),
        (changed_image(id=10**30), "image id = 1000.*: expected a whole number from -922"),
        (changed_image(id=[1]), r"image id = \[1\] is a list"),
        (changed_image(height="48"), "image 1: height = '48' is text, expected a whole number"),
        (changed_image(width=64.5), "image 1: width = 64.5, expected a whole number"),
        (changed_image(width=0), "image 1: width = 0: expected a whole number from 1"),
        (changed_image(file_name=7), "image 1: file_name = 7, expected a text"),
        (changed_image(file_name="a\0.png"), r"image 1: file_name = 'a\\x00.png': expected a text without control"),
        (changed_image(file_name="\ud800.png"), "image 1: file_name = .*: expected a text without control"),
        (changed_image(file_name="a" * 5000), "image 1: .* does not exist"),
        (changed_image(id=2), "image id 2 occurs twice"),
        (lambda data: data["categories"][0].update(id="7"), "category id = '7' is text"),
        (lambda data: data["categories"][0].update(name=7), "category 7: name = 7, expected a text"),
    ],
)
def test_images_and_categories_of_the_wrong_type_are_named(tmp_path, change, said):
    with pytest.raises(CocoError, match=f"instances_train.json: {said}"):
        module(write(tmp_path, change)).setup()
