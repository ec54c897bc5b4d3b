"""Average precision of test sets that are drawn anew from one: the matching is done once, and images are weighted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torchvision.ops import box_iou

Boxes = dict[str, Tensor]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 100
"""Detections of an image and class that count, the best ones."""


@dataclass(frozen=True)
class Matched:
    """The detections of one class on all images, best first.

    Args:
        image: ``(d,)``, number of the image of each.
        right: ``(10, d)``, whether it matches an object, by threshold.
        counts: ``(10, d)``, False where it matches what is neither right nor wrong to find.
        objects: ``(images,)``, how many there are.
    """

    image: np.ndarray
    right: np.ndarray
    counts: np.ndarray
    objects: np.ndarray

    def average_precision(self, weights: np.ndarray) -> float:
        """COCO's AP of the class where image ``i`` is there ``weights[i]`` times; NaN where no object is.

        Precision is made to fall with recall, and its mean over 101 recalls and the ten thresholds is taken (Lin et al. 2014,
        arXiv 1405.0312; pycocotools' ``accumulate``).
        """
        there = float(weights @ self.objects)
        if not there:
            return float("nan")
        each = weights[self.image]
        right = np.cumsum(each * (self.right & self.counts), axis=1, dtype=np.float64)
        wrong = np.cumsum(each * (~self.right & self.counts), axis=1, dtype=np.float64)
        precision = right / np.maximum(right + wrong, np.finfo(np.float64).eps)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        values = np.zeros((len(THRESHOLDS), len(RECALLS)))
        for row, recall in enumerate(right / there):
            places = np.searchsorted(recall, RECALLS, side="left")
            found = places < recall.size
            values[row, found] = precision[row, places[found]]
        return float(values.mean())


def matched_classes(images: Sequence[tuple[Boxes, Boxes]]) -> list[Matched]:
    """Matches the detections of all images as pycocotools does, class by class.

    Args:
        images: Detections (``boxes``, ``scores``, ``labels``) and objects (``boxes``, ``labels``, ``iscrowd``) of each.
    """
    labels = sorted({int(label) for _, truth in images for label in truth["labels"]})
    return [_matched(label, images) for label in labels]


def mean_average_precision(classes: Sequence[Matched], weights: np.ndarray) -> float:
    """Mean over the classes that have an object in the drawn images."""
    values = np.array([one.average_precision(weights) for one in classes])
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _matched(label: int, images: Sequence[tuple[Boxes, Boxes]]) -> Matched:
    scores, numbers, right, counts, objects = [], [], [], [], []
    for number, (found, truth) in enumerate(images):
        mine, true = found["labels"] == label, truth["labels"] == label
        order = found["scores"][mine].argsort(descending=True, stable=True)[:MOST]
        crowd = truth["iscrowd"][true].bool().numpy()
        first = np.argsort(crowd, kind="stable")  # objects before groups
        boxes, others = found["boxes"][mine][order], truth["boxes"][true][first]
        crowd = crowd[first]
        objects.append(int((~crowd).sum()))
        overlaps = _overlaps(boxes, others, crowd)
        hit, counted = _assigned(overlaps, crowd)
        scores.append(found["scores"][mine][order].numpy())
        numbers.append(np.full(len(order), number))
        right.append(hit)
        counts.append(counted)
    flat = np.concatenate(scores)
    ranked = np.argsort(-flat, kind="mergesort")
    return Matched(
        np.concatenate(numbers)[ranked], np.concatenate(right, axis=1)[:, ranked], np.concatenate(counts, axis=1)[:, ranked],
        np.array(objects),
    )  # fmt: skip


def _overlaps(boxes: Tensor, others: Tensor, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union; over the detection's own area for groups."""
    if not len(boxes) or not len(others):
        return np.zeros((len(boxes), len(others)))
    values = box_iou(boxes.double(), others.double())
    low, high = np.maximum, np.minimum
    a, b = boxes.double().numpy(), others.double().numpy()
    sides = (high(a[:, None, 2:], b[None, :, 2:]) - low(a[:, None, :2], b[None, :, :2])).clip(0)
    own = ((a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]))[:, None]
    shared = sides.prod(axis=2) / np.maximum(own, np.finfo(np.float64).eps)
    return np.where(crowd[None, :], shared, values.numpy())


def _assigned(overlaps: np.ndarray, crowd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best first each detection takes the free object that it overlaps most, else a group, which may be taken often."""
    count = len(overlaps)
    rows = np.arange(len(THRESHOLDS))
    right, counted = np.zeros((len(THRESHOLDS), count), bool), np.ones((len(THRESHOLDS), count), bool)
    if not len(crowd):
        return right, counted
    free = np.ones((len(THRESHOLDS), len(crowd)), bool)
    for place, overlap in enumerate(overlaps):
        enough = (overlap[None, :] >= THRESHOLDS[:, None]) & free
        for kind in (~crowd, crowd):  # of equal overlaps the last one is taken, as pycocotools does
            values = np.where(enough & kind, overlap, -1.0)[:, ::-1]
            match = len(crowd) - 1 - values.argmax(axis=1)
            new = (values.max(axis=1) >= 0) & ~right[:, place]
            right[new, place] = True
            counted[new, place] = ~crowd[match[new]]
            free[rows[new], match[new]] = crowd[match[new]]
    return right, counted
