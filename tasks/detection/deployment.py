"""A detector as one module from pixels to boxes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign, nms, roi_align
from torchvision.ops import boxes as box_ops
from torchvision.ops.poolers import _setup_scales

from lightning_nas.errors import ArgumentError
from lightning_nas.models.deployment import Deployment, Run
from lightning_nas.spaces import Backbone
from lightning_nas.tasks.detection.resizing import scaled


class WholeDetector(nn.Module):
    """Pixels of one image -> boxes.

    Args:
        parts: Backbone and neck, which the detector reads but does not own.
        detector: One of torchvision's.
    """

    def __init__(self, parts: nn.Module, detector: nn.Module) -> None:
        super().__init__()
        self.parts, self.detector = parts, detector

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(1, H, W, 3)`` of ``uint8`` -> boxes ``(n, 4)``, labels ``(n,)`` from 0, scores ``(n,)``."""
        (found,) = self.detector([pixels[0].permute(2, 0, 1).float() / 255])
        return found["boxes"], found["labels"] - 1, found["scores"]


def detector_parts(task: Any) -> dict[str, nn.Module]:
    """Neck and head of a task."""
    network, detector = task.backbone, task.detector
    searched = network.named_parts() if isinstance(network, Backbone) else {}
    neck = task.neck if task.neck is not None else searched.get("neck")
    head = detector.head if hasattr(detector, "head") else nn.ModuleList([detector.rpn, detector.roi_heads])
    return {"head": head} if neck is None else {"neck": neck, "head": head}


def detector_deployment(task: Any, size: tuple[int, int] | None) -> Deployment:
    """What of a detector is exported: input ``pixels (1, H, W, 3)`` of ``uint8``, outputs ``boxes``, ``labels``, ``scores``.

    An image of another size has to be brought to this one, see :func:`framed`.

    Args:
        task: With a detector.
        size: Height and width; None: a square whose sides are the shorter side to which images are resized.

    Raises:
        ArgumentError: If a side is not positive.
    """
    side = task.detector.transform.active_sides[0]
    height, width = size or (side, side)
    if min(height, width) < 1:
        raise ArgumentError(f"size = {(height, width)}: expected two positive numbers")
    parts = nn.ModuleList([task.backbone] if task.neck is None else [task.backbone, task.neck])
    fill = filling(task.detector.transform.image_mean)
    notes = {
        "before": f"scaled as a whole (bilinear, antialiased) to fit into {height} x {width}, top left, the rest rgb{fill}",
        "after": "boxes are left, top, right, bottom in pixels of the input",
        "classes": "labels count from 0, in the order of the classes",
    }

    def forward(run: Run, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Images from 0 to 1 -> detections."""
        answers = []
        for image in images:
            pixels, scales = framed(image.cpu(), (height, width), fill)
            boxes, labels, scores = run(pixels[None])
            found = {"boxes": boxes / torch.tensor([scales[1], scales[0]] * 2), "labels": labels + 1, "scores": scores}
            answers.append({name: value.to(image.device) for name, value in found.items()})
        return answers

    return Deployment(
        WholeDetector(parts, task.detector).eval(), (torch.zeros(1, height, width, 3, dtype=torch.uint8),), ("pixels",),
        ("boxes", "labels", "scores"), {name: {0: "objects"} for name in ("boxes", "labels", "scores")}, forward,
        exportable_suppression, notes,
    )  # fmt: skip


def filling(mean: Sequence[float]) -> tuple[int, int, int]:
    """The colour around an image, of 8 bits: what becomes zero in the network, as the padding of a batch is.

    Args:
        mean: Of each channel, which is subtracted.

    Example:
        >>> filling([0.485, 0.456, 0.406])
        (124, 116, 104)
    """
    red, green, blue = (min(max(round(255 * value), 0), 255) for value in mean)
    return red, green, blue


def framed(
    image: Tensor, size: tuple[int, int], fill: tuple[int, int, int] = (0, 0, 0)
) -> tuple[Tensor, tuple[float, float]]:
    """An image in a frame of a given size: scaled as a whole to fit, top left, the rest of one colour.

    Args:
        image: ``(3, H, W)`` from 0 to 1.
        size: Height and width of the frame.
        fill: The colour.

    Returns:
        ``(*size, 3)`` of ``uint8``, and by what height and width were multiplied.

    Example:
        >>> framed(torch.ones(3, 10, 20), (8, 8))[1]
        (0.4, 0.4)
    """
    height, width = image.shape[-2:]
    scale = min(size[0] / height, size[1] / width)
    inner = (max(1, math.floor(scale * height + 1e-6)), max(1, math.floor(scale * width + 1e-6)))
    pixels = torch.tensor(fill, dtype=torch.uint8).repeat(*size, 1)
    pixels[: inner[0], : inner[1]] = (scaled(image, inner) * 255).round().clamp(0, 255).byte().permute(1, 2, 0)
    return pixels, (inner[0] / height, inner[1] / width)


@contextlib.contextmanager
def exportable_suppression() -> Iterator[None]:
    """Inside, torchvision asks nowhere how many boxes there are, which ``torch.export`` cannot follow.

    Boxes of every class are shifted to a place of their own and suppressed in one pass, as torchvision does for few boxes;
    regions of one image are pooled level by level.
    """
    own = box_ops.batched_nms, MultiScaleRoIAlign.forward
    box_ops.batched_nms, MultiScaleRoIAlign.forward = _suppressed, _pooled
    try:
        yield
    finally:
        box_ops.batched_nms, MultiScaleRoIAlign.forward = own


def _suppressed(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that are kept."""
    beyond = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).amax() + 1
    kept: Tensor = nms(boxes + (idxs.to(boxes) * beyond)[:, None], scores, iou_threshold)
    return kept


def _pooled(self: Any, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
    """The regions ``(n, C, *output_size)`` of one image, each from the level that suits its size."""
    maps = [x[name] for name in self.featmap_names]
    scales, mapper = _setup_scales(maps, image_shapes, self.canonical_scale, self.canonical_level)
    (regions,) = boxes
    rois = torch.cat([torch.zeros_like(regions[:, :1]), regions], dim=1)
    levels = mapper(boxes)
    result = rois.new_zeros(rois.shape[0], maps[0].shape[1], *self.output_size)
    for level, (features, scale) in enumerate(zip(maps, scales, strict=True)):
        (here,) = torch.where(levels == level)
        pooled = roi_align(features, rois[here], self.output_size, scale, self.sampling_ratio)
        result = result.index_put((here,), pooled.to(result.dtype))
    return result
