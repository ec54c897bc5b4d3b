"""COCO's average precision and recall."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

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
"""The twelve numbers of COCO by their names in logs. -1: there are no objects of that size."""


class AveragePrecision(torch.nn.Module):
    """The twelve numbers of COCO, computed by pycocotools, over all ranks (Lin et al. 2014, arXiv 1405.0312)."""

    def __init__(self) -> None:
        super().__init__()
        self.metric = MeanAveragePrecision(box_format="xyxy", iou_type="bbox", backend="pycocotools")
        self.metric.warn_on_many_detections = False  # COCO counts the best 100 of an image

    def update(self, detections: Sequence[dict[str, Tensor]], targets: Sequence[dict[str, Tensor]]) -> None:
        """Adds the detections and true objects of some images."""
        keys = ("boxes", "labels", "area", "iscrowd")
        truth = [{key: target[key] for key in keys} for target in targets]
        self.metric.update([dict(found) for found in detections], truth)

    def compute(self) -> dict[str, Tensor]:
        """The numbers so far, of all ranks; 0 for everything if there was neither an object nor a detection."""
        values = self.metric.compute()
        return {name: torch.as_tensor(values[name], dtype=torch.float32) for name in NAMES}

    def reset(self) -> None:
        """Forgets all images."""
        self.metric.reset()
