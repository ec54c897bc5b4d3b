"""COCO's numbers: those of pycocotools on the same detections."""

import json

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from coco_files import SAMPLE
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lightning_nas.spaces import Chain
from lightning_nas.tasks.detection import CocoDataModule, DetectionTask, ShapesDataModule
from lightning_nas.tasks.detection.dataset import CocoDataset
from lightning_nas.tasks.detection.metrics import NAMES, AveragePrecision
from lightning_nas.tasks.detection.records import result_rows


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    return ShapesDataModule(str(folder), image_size=64, train=16, val=7, test=7, batch_size=8, augmentation="none")


def official(annotations, rows):
    """pycocotools on a detections file."""
    truth = COCO(str(annotations))
    evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats, strict=True))


def noisy(target, num_classes, rng):
    """Detections near the true boxes, some shifted, some of another class, some out of nowhere."""
    boxes, labels = target["boxes"].numpy(), target["labels"].numpy()
    keep = rng.random(len(boxes)) < 0.8
    moved = boxes[keep] + rng.normal(0, 0.08, (keep.sum(), 4)) * (boxes[keep, 2:] - boxes[keep, :2]).repeat(2, 1)
    extra = rng.uniform(0, 60, (3, 4))
    extra[:, 2:] = extra[:, :2] + rng.uniform(2, 60, (3, 2))
    every = np.concatenate([np.sort(moved.reshape(-1, 2, 2), axis=1).reshape(-1, 4), extra])
    other = rng.random(keep.sum()) < 0.1
    names = np.where(other, rng.integers(1, num_classes + 1, keep.sum()), labels[keep])
    names = np.concatenate([names, rng.integers(1, num_classes + 1, 3)])
    return {
        "boxes": torch.tensor(every, dtype=torch.float32),
        "labels": torch.tensor(names, dtype=torch.int64),
        "scores": torch.tensor(rng.random(len(every)), dtype=torch.float32),
    }


@pytest.mark.parametrize("source", ["shapes", "coco"])
def test_metrics_equal_pycocotools_on_the_same_detections(shapes, source):
    if source == "coco" and not SAMPLE.is_dir():
        pytest.skip("no real data here")
    data = CocoDataModule(str(SAMPLE), num_workers=0) if source == "coco" else shapes
    data.setup()
    dataset = data.train_set.split if source == "coco" else data.val_set.split
    metric, rows, rng = AveragePrecision(), [], np.random.default_rng(0)
    for _, target in CocoDataset(dataset):
        found = noisy(target, data.num_classes, rng)
        metric.update([found], [target])
        rows += result_rows(int(target["image_id"]), found, data.categories)
    expected = official(dataset.file, rows)
    ours = metric.compute()
    assert expected["map"] > 0.2
    for name, value in expected.items():
        assert float(ours.get(name, -1)) == pytest.approx(value, abs=1e-6), name


def objects(*sides, crowd=0):
    """Objects of some sizes, and the detections that find them all."""
    boxes = torch.tensor([[5.0, 5.0, 5 + side, 5 + side] for side in sides]).reshape(-1, 4)
    labels = torch.ones(len(sides), dtype=torch.int64)
    target = {"boxes": boxes, "labels": labels, "area": torch.tensor([float(side**2) for side in sides]),
              "iscrowd": torch.full((len(sides),), crowd)}  # fmt: skip
    return {"boxes": boxes, "labels": labels, "scores": torch.ones(len(sides))}, target


@pytest.mark.parametrize(
    ("sides", "missing"),
    [((10,), ("medium", "large")), ((50,), ("small", "large")), ((100,), ("small", "medium")), ((10, 50, 100), ())],
)
def test_sizes_of_which_there_are_no_objects_have_no_precision(sides, missing):
    metric = AveragePrecision()
    found, target = objects(*sides)
    metric.update([found], [target])
    values = metric.compute()
    assert set(NAMES) - set(values) == {f"{kind}_{size}" for kind in ("map", "mar") for size in missing}
    assert all(float(value) >= 0 for value in values.values())


@pytest.mark.parametrize("target", [objects(), objects(10, 50, crowd=1)], ids=["no objects", "crowds only"])
def test_without_objects_there_is_nothing_to_measure(target):
    metric = AveragePrecision()
    metric.update([objects(20)[0]], [target[1]])
    assert metric.compute() == {}


def test_the_detections_of_a_test_give_its_metrics_again(shapes, tmp_path):
    body = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
    torch.manual_seed(0)
    model = DetectionTask(
        body.network(dict.fromkeys(body.decisions, "mbconv_k3_e3")), 4, channels=32, min_size=64, max_size=64,
        anchor_scale=2.0, head_convs=1, norm="group", optimizer="adamw", lr=2e-3, warmup_steps=2,
    )  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", default_root_dir=tmp_path, logger=False, enable_progress_bar=False, max_epochs=10,
        enable_model_summary=False, enable_checkpointing=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(model, datamodule=shapes)
    (metrics,) = trainer.test(model, datamodule=shapes, verbose=False)
    rows = json.loads((tmp_path / "detections.json").read_text())
    expected = official(shapes.root / "annotations" / "instances_test.json", rows)
    for name, value in expected.items():
        assert metrics.get(f"test/{name}", -1) == pytest.approx(value, abs=1e-6), name
