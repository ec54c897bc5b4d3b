"""COCO's average precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from lightning_nas.evaluation.bootstrap import interval
from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.search.presentation import MetricTable
from lightning_nas.tasks.detection.resampling import matched_classes, mean_average_precision

Boxes = dict[str, Tensor]

NAMES = {
    "map": "AP",
    "map_50": "AP50",
    "map_75": "AP75",
    "map_small": "AP small",
    "map_medium": "AP medium",
    "map_large": "AP large",
    "mar_1": "AR, 1 detection",
    "mar_10": "AR, 10 detections",
    "mar_100": "AR, 100 detections",
    "mar_small": "AR small",
    "mar_medium": "AR medium",
    "mar_large": "AR large",
}
"""The twelve numbers of COCO by their names in logs."""

AP_TABLE = MetricTable(
    "Average precision by size",
    {name: title.removeprefix("AP ") for name, title in NAMES.items() if title.startswith("AP")},
    note="COCO's definitions: AP is the mean over the overlaps 0.5 to 0.95; small objects cover less than 32² pixels, large "
    "ones more than 96². A dash: there are no objects of that size.",
)


class AveragePrecision(torch.nn.Module):
    """The twelve numbers of COCO, computed by pycocotools, over all ranks (Lin et al. 2014, arXiv 1405.0312).

    The images of the ranks are gathered here: torchmetrics would pair them one by one and wait for ever where ranks hold
    different numbers of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._images: list[tuple[Boxes, Boxes]] = []

    def update(self, detections: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Adds the detections and true objects of some images."""
        for found, target in zip(detections, targets, strict=True):
            kept = {name: value.detach().cpu() for name, value in found.items()}
            truth = {name: target[name].cpu() for name in ("boxes", "labels", "area", "iscrowd")}
            self._images.append((kept, truth))

    def compute(self) -> dict[str, Tensor]:
        """The numbers for the images so far, of all ranks.

        A number that nothing defines is left out, where pycocotools says -1: those of a size of which there are no objects,
        all of them where there are no objects.
        """
        images = self._of_all_ranks()
        metric = MeanAveragePrecision(
            # COCO's thresholds in double precision. Those of torchmetrics come from single precision, so that a recall of
            # exactly 0.1 misses the threshold 0.1: AP differs in the third digit.
            iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
            rec_thresholds=np.linspace(0.0, 1.0, 101).tolist(),
            backend="pycocotools",
            sync_on_compute=False,
        )
        metric.warn_on_many_detections = False  # COCO counts the best 100 of an image
        metric.update([found for found, _ in images], [truth for _, truth in images])
        values = metric.compute()
        return {name: torch.as_tensor(values[name], dtype=torch.float32) for name in NAMES if values[name] >= 0}

    def interval(self) -> tuple[float, float] | None:
        """95 % interval of ``map``, by drawing the images of all ranks anew; None where there are too few."""
        images = self._of_all_ranks()
        classes = matched_classes(images)
        return interval(partial(mean_average_precision, classes), len(images)) if classes else None

    def _of_all_ranks(self) -> list[tuple[Boxes, Boxes]]:
        if not is_distributed():
            return self._images
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, self._images)
        return [image for part in gathered for image in part]

    def reset(self) -> None:
        """Forgets all images."""
        self._images = []
