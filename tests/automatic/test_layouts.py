"""What a folder of data is recognised as, by the names that people and export tools give."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_nas.automatic.layout import LayoutError, recognised
from lightning_nas.commands.automating.recognising import recognisers

KNOWN = recognisers()


def image(path, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(path)


def coco(file, folder, count=5):
    records = [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 30} for n in range(count)]
    boxes = [
        {"id": n, "image_id": n, "category_id": 7, "bbox": [0, 0, 20, 15], "area": 300, "iscrowd": 0}
        for n in range(count)
    ]
    for record in records:
        image(folder / record["file_name"])
    file.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]
    file.write_text(json.dumps({"images": records, "annotations": boxes, "categories": categories}))


def masks(images, labels, names=("a", "b", "c", "d", "e"), values=(0, 1)):
    for name in names:
        image(images / f"{name}.jpg")
        labels.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.resize(np.array(values, np.uint8), (30, 40))).save(labels / f"{name}.png")


def look(folder, tmp_path):
    return recognised(folder, tmp_path / "written", KNOWN)


def coco_itself(root):
    for part in ("train", "val"):
        coco(root / "annotations" / f"instances_{part}2017.json", root / f"{part}2017")


def coco_below_images(root):
    for part in ("train", "val"):
        coco(root / "annotations" / f"{part}.json", root / "images" / part)


def roboflow(root):
    for part in ("train", "valid", "test"):
        coco(root / part / "_annotations.coco.json", root / part)


@pytest.mark.parametrize("make", [coco_itself, coco_below_images, roboflow])
def test_annotations_in_cocos_format(tmp_path, make):
    make(tmp_path / "data")
    found = look(tmp_path / "data", tmp_path)
    assert (found.task, found.data, list(found.classes)) == ("detection", "coco", ["cat", "dog"])
    assert dict(found.images) == {"train": 5, "val": 5}
    assert found.sides == (30, 40)
    assert found.object_share == pytest.approx(0.5)
    assert any("dog" in note for note in found.notes)
    assert not (tmp_path / "written").exists()


def test_one_file_of_annotations_is_split_and_no_image_is_copied(tmp_path):
    root = tmp_path / "data"
    coco(root / "annotations" / "instances_default.json", root / "images", count=10)
    found = look(root, tmp_path)
    assert dict(found.images) == {"train": 8, "val": 2}
    parts = {part: json.loads((tmp_path / "written" / f"{part}.json").read_text()) for part in ("train", "val")}
    ids = [{entry["id"] for entry in parts[part]["images"]} for part in ("train", "val")]
    assert ids[0] | ids[1] == set(range(10))
    assert not ids[0] & ids[1]
    assert all(
        {box["image_id"] for box in parts[part]["annotations"]} == held for part, held in zip(parts, ids, strict=True)
    )
    before = (tmp_path / "written" / "val.json").read_text()
    look(root, tmp_path)
    assert (tmp_path / "written" / "val.json").read_text() == before


@pytest.mark.parametrize("inside", [False, True])
def test_images_and_masks_by_part(tmp_path, inside):
    root = tmp_path / "data"
    for part in ("train", "valid"):
        places = [root / part / kind if inside else root / kind / part for kind in ("images", "masks")]
        masks(*places, values=(0, 1, 2, 255))
    found = look(root, tmp_path)
    assert (found.task, found.data, dict(found.images)) == ("segmentation", "masks", {"train": 5, "val": 5})
    assert "data.num_classes=3" in found.settings
    assert found.sized(15) == ["data.image_scale=0.5", "data.crop=[15,15]", "data.scales=[0.75,1.5]"]


def test_black_and_white_masks_are_two_classes_and_what_is_not_split_is_linked(tmp_path):
    root = tmp_path / "data"
    masks(root / "imgs", root / "labels", values=(0, 255))
    found = look(root, tmp_path)
    assert list(found.classes) == ["background", "foreground"]
    assert "data.palette=[[0,0,0],[255,255,255]]" in found.settings
    assert dict(found.images) == {"train": 4, "val": 1}
    links = sorted((tmp_path / "written" / "images").rglob("*.jpg"))
    assert len(links) == 5
    assert all(link.is_symlink() and link.resolve().parent == (root / "imgs").resolve() for link in links)


def test_coloured_masks_are_a_palette(tmp_path):
    root = tmp_path / "data"
    for part in ("train", "val"):
        masks(root / "images" / part, root / "masks" / part)
        for file in (root / "masks" / part).iterdir():
            pixels = np.zeros((30, 40, 3), np.uint8)
            pixels[:10] = (128, 64, 32)
            Image.fromarray(pixels).save(file)
    assert "data.palette=[[0, 0, 0], [128, 64, 32]]" in look(root, tmp_path).settings


def test_cityscapes(tmp_path):
    root = tmp_path / "data"
    for part in ("train", "val"):
        image(root / "leftImg8bit" / part / "bonn" / "bonn_0_0_leftImg8bit.png", (64, 32))
        image(root / "gtFine" / part / "bonn" / "bonn_0_0_gtFine_labelIds.png", (64, 32))
    found = look(root, tmp_path)
    assert (found.data, len(found.classes), dict(found.images)) == ("cityscapes", 19, {"train": 1, "val": 1})


@pytest.mark.parametrize("split", [False, True])
def test_class_folders(tmp_path, split):
    root = tmp_path / "data"
    for part in ("Training", "Testing") if split else ("",):
        for name, count in (("cat", 2), ("dog", 24)):
            for number in range(count):
                image(root / part / name / f"{number}.png")
    found = look(root, tmp_path)
    assert (found.task, found.data, list(found.classes)) == ("classification", "imagefolder", ["cat", "dog"])
    assert sum(found.images[part] for part in ("train", "val")) == 26
    assert ("test" in found.images) == split
    assert any("uneven: cat has 2 images, dog 24" in note for note in found.notes)


def test_what_is_no_data_set_is_refused_with_what_was_looked_for(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("")
    with pytest.raises(
        LayoutError, match=r"none of the known layouts .*it holds notes\.txt\. Expected are annotations in COCO"
    ):
        look(tmp_path / "data", tmp_path)
    with pytest.raises(LayoutError, match="there is no such folder"):
        look(tmp_path / "nowhere", tmp_path)


def test_two_data_sets_in_one_folder_are_refused_by_name(tmp_path):
    coco_itself(tmp_path / "data")
    masks(tmp_path / "data" / "images", tmp_path / "data" / "masks")
    with pytest.raises(
        LayoutError, match=r"more than one data set: COCO .*data=coco.* and images and masks \(data=masks\)"
    ):
        look(tmp_path / "data", tmp_path)


@pytest.mark.parametrize(
    "content", ['{"images": []}', "[]", "{", '{"images": [{}], "annotations": [], "categories": []}']
)
def test_a_file_that_is_not_cocos_is_named(tmp_path, content):
    coco_itself(tmp_path / "data")
    file = Path(tmp_path, "data", "annotations", "instances_train2017.json")
    file.write_text(content)
    with pytest.raises(LayoutError, match=r"instances_train2017\.json: not annotations in COCO's format"):
        look(tmp_path / "data", tmp_path)
