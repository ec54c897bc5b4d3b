"""Images with boxes: what a detector is fed with."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightning_nas.errors import ArgumentError
from lightning_nas.tasks.detection.coco import CocoSplit
from lightning_nas.tasks.images import A, Pipeline, ToTensorV2, read_rgb

Recipe = Literal["none", "flip", "light", "scale"]

LEAST_VISIBLE = 0.1
"""Share of a box that a crop must leave for it to be kept."""

Target = dict[str, Tensor]
"""``boxes (n, 4)`` as left, top, right, bottom; ``labels (n,)`` from 1; ``area``, ``iscrowd (n,)``; ``image_id``."""


class CocoDataset(Dataset[tuple[Tensor, Target]]):
    """Images ``(3, H, W)`` with values from 0 to 1, and their targets; labels count from 1, since 0 is background.

    Args:
        split: Images and annotations.
        augmentation: Steps of training images (see :func:`training_steps`), or ``"none"``.
        crowd: Whether targets hold crowds: they matter in evaluation, and are not trained on.
    """

    def __init__(self, split: CocoSplit, augmentation: Recipe = "none", *, crowd: bool = True) -> None:
        if augmentation not in get_args(Recipe):
            raise ArgumentError(f"augmentation must be one of {list(get_args(Recipe))}, got {augmentation!r}")
        self.split, self.crowd = split, crowd
        # Only a crop drops boxes. One of a pixel or less is as good as another: those of the file have been checked.
        boxes = A.BboxParams("pascal_voc", ["indices"], min_visibility=LEAST_VISIBLE)
        steps = training_steps(augmentation)
        self.augment = Pipeline([*steps, ToTensorV2()], bbox_params=boxes) if steps else None

    def __len__(self) -> int:
        return len(self.split.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        record = self.split.images[index]
        objects = record.objects
        kept = np.flatnonzero(~objects.crowd) if not self.crowd else np.arange(len(objects.boxes))
        image, boxes = read_rgb(record.path), objects.boxes[kept]
        if self.augment is None:
            tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())
        else:
            changed = self.augment.together(image=image, bboxes=boxes, indices=kept)
            tensor, boxes = changed["image"], np.asarray(changed["bboxes"], dtype=np.float32).reshape(-1, 4)
            kept = np.asarray(changed["indices"], dtype=np.int64)
            whole = (boxes[:, 2:] > boxes[:, :2]).all(
                axis=1
            )  # single precision may take what a crop leaves for nothing
            boxes, kept = boxes[whole], kept[whole]
        return tensor.float() / 255, {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.from_numpy(objects.categories[kept] + 1),
            "area": torch.from_numpy(objects.areas[kept]),
            "iscrowd": torch.from_numpy(objects.crowd[kept].astype(np.int64)),
            "image_id": torch.tensor(record.id),
        }


def training_steps(recipe: Recipe) -> list[Any]:
    """The steps of a recipe.

    ``"flip"``: mirrored half of the time; ``"light"``: also colours; ``"scale"``: flip, and both sides scaled by one factor
    from 0.8 to 1.2 within the frame of the image, cropped or padded, as NAS-FPN trains (Ghiasi et al. 2019, arXiv
    1904.07392). A crop drops the boxes of which it leaves less than a tenth; the others lose no box.
    """
    steps: list[Any] = [] if recipe == "none" else [A.HorizontalFlip(p=0.5)]
    if recipe == "light":
        steps.append(A.ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.1, 0.1)))
    if recipe == "scale":
        steps.append(A.Affine(scale=(0.8, 1.2), keep_ratio=True, translate_percent=(-0.1, 0.1), p=1.0))
    return steps


def collate(samples: list[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    """A batch of images of different sizes stays a list; the detector resizes and pads."""
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)
