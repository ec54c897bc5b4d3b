"""What COCO files may leave open, and categories that do not fit."""

import json
import warnings

import pytest
from coco_files import module, write

from lightning_nas.tasks.detection import CocoDataModule
from lightning_nas.tasks.detection.coco import CocoError


def test_whole_numbers_may_be_written_with_a_point_and_areas_left_open(tmp_path):
    def change(data):
        for entry in data["images"]:
            entry.update(id=float(entry["id"]), height=float(entry["height"]))
        for entry, area in zip(data["annotations"], (None, 0, 100.0, 900), strict=True):
            entry.update(image_id=float(entry["image_id"]), category_id=float(entry["category_id"]), area=area)
            entry["iscrowd"] = [None, 0, 1.0, False][entry["id"] - 11]

    data = module(write(tmp_path, change))
    data.setup()
    target = data.val_set[0][1]
    assert target["area"].tolist() == pytest.approx([600, 33.5 * 20, 100])
    assert target["iscrowd"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_that_windows_has_written_are_read(tmp_path, encoding):
    root = write(tmp_path, lambda data: [entry.update(file_name=f"sub\\{entry['id']}.png") for entry in data["images"]])
    for split in ("train", "val"):
        (root / split / "sub").mkdir()
        for number in (1, 2, 3):
            (root / split / f"{number}.png").rename(root / split / "sub" / f"{number}.png")
        file = root / "annotations" / f"instances_{split}.json"
        file.write_bytes(file.read_text().replace(", ", ",\r\n").encode(encoding))
    data = module(root)
    data.setup()
    assert len(data.train_set) == 3


@pytest.mark.parametrize("skip_invalid", [False, True])
def test_training_images_of_which_all_objects_are_crowds_are_refused(tmp_path, skip_invalid):
    root = write(tmp_path, lambda data: [entry.update(iscrowd=1) for entry in data["annotations"]])
    with pytest.raises(CocoError, match="3 images hold no object to train on, crowds left out"):
        module(root, skip_invalid=skip_invalid).setup()


def test_classes_without_an_object_to_train_on_are_named(tmp_path):
    data = module(write(tmp_path, lambda data: data["categories"].append({"id": 9, "name": "cow"})))
    with pytest.warns(UserWarning, match="no object to train on of class 'cow'"):
        data.setup()


def test_a_set_without_any_object_is_refused(tmp_path):
    root = write(tmp_path, lambda data: data["annotations"].clear())
    with pytest.raises(CocoError, match="no usable annotation on any of 3 images"):
        module(root).setup()


def rewritten(root, split, change):
    file = root / "annotations" / f"instances_{split}.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return root


def test_categories_that_the_training_file_lacks_are_listed(tmp_path):
    root = rewritten(write(tmp_path), "val", lambda data: data["categories"].append({"id": 9, "name": "cow"}))
    with pytest.raises(CocoError, match=r"the categories 9 'cow' are not in .*train.json; there are 3 'dog', 7 'cat'"):
        module(root).setup()


def test_a_file_that_lists_some_of_the_training_categories_is_read_by_their_labels(tmp_path):
    def cats_alone(data):
        data["categories"] = [{"id": 7, "name": "cat"}]
        data["annotations"] = [entry for entry in data["annotations"] if entry["category_id"] == 7]

    data = module(rewritten(write(tmp_path), "val", cats_alone))
    data.setup()
    assert data.class_names == ("dog", "cat")
    assert data.val_set[0][1]["labels"].tolist() == [2]


def test_valid_data_bring_no_warning(tmp_path):
    root = write(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module(root, skip_invalid=True).setup()


@pytest.mark.parametrize(("argument", "value"), [("subset", 0), ("augmentation", "mosaic"), ("num_workers", -1)])
def test_impossible_arguments_are_named(tmp_path, argument, value):
    root = write(tmp_path)
    with pytest.raises(ValueError, match=argument):
        CocoDataModule(str(root), "train", "val", **{argument: value}).setup()


def test_a_subset_of_the_training_images(tmp_path):
    data = module(write(tmp_path), subset=2)
    data.setup()
    assert (len(data.train_set), len(data.val_set)) == (2, 3)
