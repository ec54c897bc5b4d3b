"""What a test leaves behind: detections in COCO's results format, and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from lightning_nas.architecture import write_atomic
from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.tasks.detection.coco_fields import Category
from lightning_nas.tasks.detection.dataset import Target
from lightning_nas.tasks.detection.drawing import Sample, draw_samples

MOST_SAMPLES = 8


def result_rows(
    image_id: int, detections: dict[str, Tensor], categories: Sequence[Category] | None
) -> list[dict[str, Any]]:
    """Detections of one image as COCO wants results: boxes as left, top, width and height, categories by their ids."""
    boxes = detections["boxes"].detach().double().cpu().clone()
    boxes[:, 2:] -= boxes[:, :2]
    labels, scores = detections["labels"].tolist(), detections["scores"].detach().double().cpu().tolist()
    return [
        {
            "image_id": image_id,
            "category_id": categories[label - 1].id if categories else label,
            "bbox": box,
            "score": score,
        }
        for box, label, score in zip(boxes.tolist(), labels, scores, strict=True)
    ]


class TestRecord:
    """Collects what a test finds; not part of any checkpoint."""

    __test__ = False  # not a test of pytest

    def __init__(self) -> None:
        self._found: list[tuple[int, dict[str, Tensor]]] = []
        self._samples: list[Sample] = []

    def add(self, images: Sequence[Tensor], targets: Sequence[Target], detections: Sequence[dict[str, Tensor]]) -> None:
        """Takes a batch."""
        for image, target, found in zip(images, targets, detections, strict=True):
            self._found.append((int(target["image_id"]), {name: value.cpu() for name, value in found.items()}))
            if len(self._samples) < MOST_SAMPLES:
                self._samples.append(Sample.of(image, found, target))

    def write(self, folder: Path, categories: Sequence[Category] | None) -> None:
        """Writes ``detections.json`` of all ranks and ``samples.jpg`` of the first, then forgets everything."""
        rows = [row for image_id, found in self._found for row in result_rows(image_id, found, categories)]
        samples, self._found, self._samples = self._samples, [], []
        if is_distributed():
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, rows)
            if dist.get_rank() != 0:
                return
            rows = [row for part in gathered for row in part]
        rows.sort(key=lambda row: (row["image_id"], -row["score"]))
        write_atomic(folder / "detections.json", json.dumps(rows))
        names = [category.name for category in categories] if categories else None
        if samples:
            draw_samples(samples, names).savefig(folder / "samples.jpg", pil_kwargs={"quality": 85})
