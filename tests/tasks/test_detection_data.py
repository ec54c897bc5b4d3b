"""COCO data and generated shapes are read right."""

import numpy as np
import pytest
import torch
from coco_files import SAMPLE, annotation, module, write
from PIL import Image

from lightning_nas.search import BilevelDataModule
from lightning_nas.tasks.detection import CocoDataModule, ShapesDataModule
from lightning_nas.tasks.detection.dataset import CocoDataset

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
