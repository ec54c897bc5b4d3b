"""Untrained networks of every task that predict a folder of images."""

import json

import numpy as np
import torch
from narrow_heads import narrow
from PIL import Image

from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.spaces import Chain
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
CLASSES = [{"id": 3, "name": "dog"}, {"id": 7, "name": "cat, tabby"}, {"id": 90, "name": "cow"}]
PREPARED = {"channels": 3, "resize": 20, "crop": 16, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
TASKS = ["classification", "detection", "segmentation"]
KINDS = ["retinanet", "fcos", "faster_rcnn"]


def detector(kind="fcos", **arguments):
    torch.manual_seed(0)
    small = {"min_size": 64, "max_size": 64, "channels": 32, "head_convs": 1, "anchor_scale": 2.0}
    network = BODY.network(dict.fromkeys(BODY.decisions, "mbconv_k3_e3"))
    return narrow(DetectionTask(network, 3, detector=kind, **{**small, **arguments}))


def task_of(name):
    torch.manual_seed(0)
    if name == "detection":
        return detector().eval()
    body = ResidualBackbone(4, (2, 4, 8))
    return (ClassificationTask(body, 3) if name == "classification" else SegmentationTask(body, 3, channels=8)).eval()


def predict(model, images, out, batch_size=4, **more):
    model.predict_folder(images, out, CLASSES, batch_size=batch_size, **more)


def predicted(name, images, out, batch_size=4, **more):
    """The records of all images."""
    prepared = {"preparation": PREPARED} if name == "classification" else {}
    predict(task_of(name), images, out, batch_size, **prepared, **more)
    file = "detections.json" if name == "detection" else "predictions.json"
    return json.loads((out / file).read_text())


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def save(folder, name, array=None, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(20, 30) if array is None else array).save(path, **options)
    return path
