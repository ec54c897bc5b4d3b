"""A small data set in COCO's layout, whole or spoilt; and where the real sample lies."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_nas.tasks.detection import CocoDataModule

SAMPLE = Path(os.environ.get("NAS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "coco_sample"

CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def annotation(number, image, box, category=7, **more):
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3], **more}


def write(root: Path, change=None) -> Path:
    """Three images in ``train`` and ``val``: two objects and a crowd, one object, none."""
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        rng = np.random.default_rng(0)
        images = []
        for number, (height, width) in enumerate([(48, 64), (64, 40), (50, 50)], start=1):
            Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(root / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        data = {
            "images": images,
            "annotations": [
                annotation(11, 1, [4, 5, 20, 30]),
                annotation(12, 1, [30.5, 10, 33.9, 20], 3),  # sticks out by 0.4 pixels
                annotation(13, 1, [0, 0, 10, 10], 3, iscrowd=1),
                annotation(14, 2, [1, 1, 30, 60], 3),
            ],
            "categories": [dict(entry) for entry in CATEGORIES],
        }
        if change is not None:
            change(data)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(data))
    return root


def module(root, **arguments):
    return CocoDataModule(str(root), "train", "val", batch_size=2, augmentation="none", num_workers=0, **arguments)
