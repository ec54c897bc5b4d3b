"""What a test leaves behind: detections in COCO's results format, and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from torch import Tensor

from lightning_nas.architecture import write_atomic
from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.tasks.detection.coco_fields import Category
from lightning_nas.tasks.detection.dataset import Target
from lightning_nas.tasks.detection.drawing import Sample, draw_samples
from lightning_nas.tasks.detection.gallery import FORMULA, SCORE, drawn_boxes, f1_of_image
from lightning_nas.tasks.images.gallery import Drawn, WorstImages

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
        self._worst = WorstImages()

    def add(
        self,
        images: Sequence[Tensor],
        targets: Sequence[Target],
        detections: Sequence[dict[str, Tensor]],
        categories: Sequence[Category] | None = None,
    ) -> None:
        """Takes a batch."""
        names = _names(categories)
        for image, target, given in zip(images, targets, detections, strict=True):
            found = {name: value.detach().cpu() for name, value in given.items()}
            truth = {name: target[name].cpu() for name in ("boxes", "labels", "iscrowd")}
            self._found.append((int(target["image_id"]), found))
            if len(self._samples) < MOST_SAMPLES:
                self._samples.append(Sample.of(image, found, target))
            draw = partial(_drawn, image, found, truth, names)
            self._worst.add(f1_of_image(found, truth), draw, f"image {int(target['image_id'])}")

    def write(self, folder: Path, categories: Sequence[Category] | None) -> None:
        """Writes ``detections.json`` and the gallery of all ranks, ``samples.jpg`` of the first; forgets everything."""
        self._worst.write(folder, SCORE, FORMULA)
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
        if samples:
            draw_samples(samples, _names(categories)).savefig(folder / "samples.jpg", pil_kwargs={"quality": 85})


def _names(categories: Sequence[Category] | None) -> list[str] | None:
    return [category.name for category in categories] if categories else None


def _drawn(image: Tensor, found: dict[str, Tensor], truth: dict[str, Tensor], names: Sequence[str] | None) -> Drawn:
    pixels: np.ndarray = (image.detach().float().clamp(0, 1) * 255).round().byte().cpu().permute(1, 2, 0).numpy()
    as_arrays = ({name: value.float().numpy() for name, value in boxes.items()} for boxes in (found, truth))
    return drawn_boxes(pixels, *as_arrays, names)
