"""COCO data: read right, and refused with a name where they are wrong."""

import json
import warnings

import numpy as np
import pytest
import torch
from coco_files import SAMPLE, annotation, write
from PIL import Image

from lightning_nas.search import BilevelDataModule
from lightning_nas.tasks.detection import CocoDataModule, ShapesDataModule
from lightning_nas.tasks.detection.coco import CocoError
from lightning_nas.tasks.detection.dataset import CocoDataset


def module(root, **arguments):
    return CocoDataModule(str(root), "train", "val", batch_size=2, augmentation="none", **arguments)


# ---- what is read ------------------------------------------------------------------------------------------------------


def test_categories_with_gaps_become_labels_from_one(tmp_path):
    data = module(write(tmp_path))
    assert (data.num_classes, data.class_names) == (2, ("dog", "cat"))
    data.setup()
    image, target = data.val_set[0]
    assert image.shape == (3, 48, 64)
    assert 0 <= image.min() < image.max() <= 1
    assert target["labels"].tolist() == [2, 1, 1]
    assert target["boxes"].tolist()[0] == [4, 5, 24, 35]
    assert target["boxes"][1, 2] == 64  # clipped to the image
    assert target["iscrowd"].tolist() == [0, 0, 1]
    assert target["area"].tolist() == pytest.approx([600, 678, 100])
    assert int(target["image_id"]) == 1


def test_crowds_are_not_trained_on_and_images_without_objects_stay(tmp_path):
    data = module(write(tmp_path))
    data.setup()
    assert [len(data.train_set[i][1]["boxes"]) for i in range(3)] == [2, 1, 0]
    assert data.train_set[2][1]["boxes"].shape == (0, 4)


def test_batches_keep_images_of_different_sizes(tmp_path):
    data = module(write(tmp_path))
    data.setup()
    images, targets = next(iter(data.val_dataloader()))
    assert [tuple(image.shape[1:]) for image in images] == [(48, 64), (64, 40), (50, 50)]
    assert len(targets) == 3


def test_flips_move_boxes_with_the_image(tmp_path):
    data = module(write(tmp_path))
    plain = CocoDataset(data.split("train"), crowd=False)[1]
    flipping = CocoDataset(data.split("train"), "flip", crowd=False)
    torch.manual_seed(0)
    seen = {}
    for _ in range(20):
        image, target = flipping[1]
        seen[tuple(target["boxes"][0].round().tolist())] = image
    assert set(seen) == {(1, 1, 31, 61), (9, 1, 39, 61)}
    assert torch.equal(seen[(9, 1, 39, 61)], plain[0].flip(-1))
    assert torch.equal(seen[(1, 1, 31, 61)], plain[0])


@pytest.mark.parametrize("recipe", ["flip", "light", "scale"])
def test_augmented_boxes_are_whole_and_inside(tmp_path, recipe):
    dataset = CocoDataset(module(write(tmp_path)).split("train"), recipe, crowd=False)
    for seed in range(20):
        torch.manual_seed(seed)
        for index in range(3):
            image, target = dataset[index]
            boxes = target["boxes"]
            assert ((boxes[:, 2:] - boxes[:, :2]) >= 1).all()
            assert (boxes >= 0).all()
            assert (boxes[:, 2] <= image.shape[2]).all()
            assert (boxes[:, 3] <= image.shape[1]).all()
            assert len(boxes) == len(target["labels"]) == len(target["area"])


def test_halves_of_a_search_share_no_image(tmp_path):
    data = ShapesDataModule(str(tmp_path / "s"), image_size=32, train=12, val=1, test=1, batch_size=3)
    halves = BilevelDataModule(data, seed=1)
    halves.setup("fit")
    seen = {"weights": set(), "architecture": set()}
    for batch, _, _ in halves.train_dataloader():
        for half, (_, targets) in batch.items():
            seen[half] |= {int(target["image_id"]) for target in targets}
    assert len(seen["weights"]) == len(seen["architecture"]) == 6
    assert not seen["weights"] & seen["architecture"]


def test_files_that_lie_elsewhere_are_named_one_by_one(tmp_path):
    root = write(tmp_path)
    files = {
        f"{part}_{kind}": str(root / name)
        for part in ("train", "val")
        for kind, name in (("annotations", f"annotations/instances_{part}.json"), ("images", part))
    }
    data = CocoDataModule(train_split="train", val_split="val", **files)
    data.setup()
    assert len(data.train_set) == 3
    with pytest.raises(ValueError, match="root = None"):
        CocoDataModule(**{**files, "val_images": None})


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="no real data here")
def test_the_real_sample_is_read_whole():
    data = CocoDataModule(str(SAMPLE))
    data.setup()
    assert (len(data.train_set), len(data.val_set), data.num_classes) == (47, 16, 80)
    assert data.categories[-1].id == 90
    objects = [image.objects for image in data.split("train2017").images]
    assert sum(len(o.boxes) for o in objects) == 515
    assert sum(int(o.crowd.sum()) for o in objects) == 6


# ---- generated data ------------------------------------------------------------------------------------------------------


def test_shapes_are_the_same_for_the_same_seed_and_real_coco_files(tmp_path):
    arguments = {"image_size": 48, "train": 6, "val": 2, "test": 2}
    first = ShapesDataModule(str(tmp_path / "a"), **arguments)
    ShapesDataModule(str(tmp_path / "b"), **arguments)
    other = ShapesDataModule(str(tmp_path / "c"), **arguments, content_seed=1)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 13
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    assert any((tmp_path / "a" / file).read_bytes() != (tmp_path / "c" / file).read_bytes() for file in files)
    assert first.generated
    assert [category.id for category in other.categories] == [2, 3, 5, 11]
    from pycocotools.coco import COCO

    coco = COCO(str(tmp_path / "a" / "annotations" / "instances_train.json"))
    assert coco.getImgIds() == [1, 2, 3, 4, 5, 6]
    for entry in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(entry)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]
        assert np.abs(np.array(entry["bbox"]) - box).max() <= 2


@pytest.mark.parametrize("argument", ["image_size", "train", "val", "test", "most_objects", "content_seed"])
def test_impossible_shapes_are_named(tmp_path, argument):
    with pytest.raises(ValueError, match=argument):
        ShapesDataModule(str(tmp_path / "s"), **{argument: -1})
    assert not (tmp_path / "s").exists()


# ---- what is refused -----------------------------------------------------------------------------------------------------


def added(**changes):
    entry = annotation(99, 1, [1, 1, 5, 5])
    entry.update(changes)
    return lambda data: data["annotations"].append(entry)


SPOILT = {
    "zero width": (added(bbox=[5, 5, 0, 9]), "annotation 99.*no area", "box without area"),
    "negative height": (added(bbox=[5, 5, 4, -2]), "annotation 99.*no area", "box without area"),
    "outside": (added(bbox=[60, 5, 20, 9]), "annotation 99.*outside", "box outside"),
    "left of it": (added(bbox=[-9, 5, 5, 9]), "annotation 99.*outside", "box outside"),
    "not numbers": (added(bbox=[1, 2, None, 3]), r"annotation 99.*\[x, y, width, height\]", "malformed box"),
    "three numbers": (added(bbox=[1, 2, 3]), r"annotation 99.*\[x, y, width, height\]", "malformed box"),
    "unknown category": (added(category_id=5), "annotation 99: category 5 is unknown", "unknown category"),
    "unknown image": (added(image_id=8), "annotation 99: there is no image with id 8", "unknown image"),
    "repeated id": (added(id=11), "annotation 11: the id occurs twice", "repeated id"),
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
        ('{"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "expected images with"),
        ('{"images": [{}], "annotations": [], "categories": [{"id": 1}]}', "expected categories with"),
    ],
)
def test_files_that_are_not_coco_are_refused(tmp_path, content, said):
    root = write(tmp_path)
    (root / "annotations" / "instances_train.json").write_text(content)
    with pytest.raises(CocoError, match=said):
        module(root).setup()


def test_a_set_without_any_object_is_refused(tmp_path):
    root = write(tmp_path, lambda data: data["annotations"].clear())
    with pytest.raises(CocoError, match="no usable annotation on any of 3 images"):
        module(root).setup()


def test_splits_with_other_categories_are_refused(tmp_path):
    root = write(tmp_path)
    file = root / "annotations" / "instances_val.json"
    data = json.loads(file.read_text())
    data["categories"].append({"id": 9, "name": "cow"})
    file.write_text(json.dumps(data))
    with pytest.raises(CocoError, match="its categories are not those of"):
        module(root).setup()


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
