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
    return CocoDataModule(str(root), "train", "val", batch_size=2, augmentation="none", num_workers=0, **arguments)


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


def boxes_only(*boxes):
    """One image of 48 x 64 with such boxes; their areas tell them apart."""

    def change(data):
        data["images"] = data["images"][:1]
        data["annotations"] = [{**annotation(n, 1, list(box)), "area": n} for n, box in enumerate(boxes, start=1)]

    return change


@pytest.mark.parametrize("recipe", ["none", "flip", "light"])
def test_boxes_of_any_size_stay_where_nothing_is_cropped(tmp_path, recipe):
    sides = (0.4, 1.0, 0.99, 0.02, 1.5, 20)
    wide = [(0.37 + 5.3 * n, 3.6, side, 30) for n, side in enumerate(sides)]
    high = [(10.2, 2.37 + 4.4 * n, 30, side) for n, side in enumerate(sides)]
    corners = [(63.6, 47.6, 0.4, 0.4), (0, 0, 0.4, 0.4)]
    split = module(write(tmp_path, boxes_only(*wide, *high, *corners))).split("train")
    dataset = CocoDataset(split, recipe, crowd=False)
    given = split.images[0].objects.boxes
    mirrored = given.copy()
    mirrored[:, [0, 2]] = 64 - given[:, [2, 0]]
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        boxes = dataset[0][1]["boxes"].numpy()
        assert len(boxes) == 2 * len(sides) + 2
        same, turned = (np.abs(boxes - expected).max() < 1e-4 for expected in (given, mirrored))
        assert same or turned
        seen.add((same, turned))
    assert len(seen) == (1 if recipe == "none" else 2)


def test_boxes_of_large_images_stay_too(tmp_path):
    def change(data):
        data["images"] = [{"id": 1, "file_name": "1.png", "height": 2, "width": 20000}]
        boxes = [[x, 0.5, 0.4, 1.2] for x in (0.1, 9999.37, 19999.6)]
        data["annotations"] = [annotation(n, 1, box) for n, box in enumerate(boxes)]

    root = write(tmp_path, change)
    for split in ("train", "val"):
        Image.new("RGB", (20000, 2)).save(root / split / "1.png")
    dataset = CocoDataset(module(root).split("train"), "flip", crowd=False)
    for seed in range(10):
        torch.manual_seed(seed)
        boxes = dataset[0][1]["boxes"]
        assert len(boxes) == 3
        assert (boxes[:, 2] - boxes[:, 0]).tolist() == pytest.approx([0.4] * 3, abs=0.01)


def test_a_crop_drops_the_boxes_of_which_less_than_a_tenth_is_left(tmp_path):
    given = [(31, 20, 0.4, 8), (0, 10, 2, 20), (61.5, 10, 2.5, 20), (20, 0, 20, 1.2), (20, 46.6, 20, 1.4)]
    dataset = CocoDataset(module(write(tmp_path, boxes_only(*given))).split("train"), "scale", crowd=False)
    everything = CocoDataset(dataset.split, "scale", crowd=False)
    everything.augment.steps.processors["bboxes"].params.min_visibility = 0.0
    kept = cut = dropped = 0
    for seed in range(200):
        left = []
        for one in (dataset, everything):
            torch.manual_seed(seed)
            target = one[0][1]
            sides = target["boxes"][:, 2:] - target["boxes"][:, :2]
            left.append(dict(zip((target["area"].int() - 1).tolist(), sides, strict=True)))
        ours, visible = left
        scale = float(visible[0][1]) / 8  # of the thin box in the middle, which no crop reaches
        for number, sides in visible.items():
            share = float(sides.prod()) / (given[number][2] * given[number][3] * scale**2)
            if abs(share - 0.1) > 0.001:
                assert (number in ours) == (share > 0.1)
            kept += share > 0.999
            cut += 0.1 < share < 0.999
        assert set(ours) <= set(visible)
        dropped += len(given) - len(ours)
    assert min(kept, cut, dropped) > 10


def test_scaling_keeps_the_shape_of_boxes(tmp_path):
    def change(data):
        data["annotations"] = [annotation(1, 1, [26, 20, 12, 6])]

    dataset = CocoDataset(module(write(tmp_path, change)).split("train"), "scale", crowd=False)
    widths = []
    for seed in range(50):
        torch.manual_seed(seed)
        left, top, right, bottom = dataset[0][1]["boxes"][0].tolist()
        assert (right - left) / (bottom - top) == pytest.approx(2.0, rel=1e-3)
        widths.append((right - left) / 12)
    assert 0.79 < min(widths) < 0.85
    assert 1.15 < max(widths) < 1.21


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
