"""What a small one-stage detector learns from a large one: classes and boxes at the same anchors or points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from lightning_nas.errors import ArgumentError

Outputs = Mapping[str, Tensor]
"""Of torchvision's heads: ``cls_logits (B, N, C)``, ``bbox_regression (B, N, 4)`` and, of FCOS, ``bbox_ctrness (B, N, 1)``."""


def detection_distance(student: Outputs, teacher: Outputs, divergence: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Divergence of the classes at all anchors or points, and distance of the boxes weighted by the teacher's score.

    A class is there or not: its divergence is that of two probabilities. The boxes of FCOS, distances to four sides, differ by
    1 - GIoU, and its centre-ness counts as a class does, weighted as the boxes are; those of RetinaNet, offsets from an anchor,
    differ by the sum of absolute differences. All is divided by the sum of the teacher's scores, at least 1, as the labels'
    loss is by the number of objects' anchors.

    Args:
        student: What the head of the small network returned.
        teacher: The same of the large one.
        divergence: Logarithms of both probabilities ``(..., 2)`` -> ``(...)``.

    Raises:
        ArgumentError: If the networks have seen images of different sizes.
    """
    ours, theirs = student["cls_logits"].float(), teacher["cls_logits"].float()
    if ours.shape != theirs.shape:
        raise ArgumentError(
            f"distillation: the largest network has classes of shape {tuple(theirs.shape)}, a smaller one {tuple(ours.shape)}: "
            "all networks of a step have to see images of one size"
        )
    score = theirs.sigmoid().amax(-1)
    centred = "bbox_ctrness" in teacher
    if centred:
        score = (score * teacher["bbox_ctrness"].float().sigmoid().squeeze(-1)).sqrt()
    total = _binary(theirs, ours, divergence).sum()
    boxes, truth = student["bbox_regression"].float(), teacher["bbox_regression"].float()
    if centred:
        total = total + (score * generalized_box_iou_loss(_around(boxes), _around(truth))).sum()
        centres = _binary(teacher["bbox_ctrness"].float(), student["bbox_ctrness"].float(), divergence)
        total = total + (score * centres.squeeze(-1)).sum()
    else:
        total = total + (score * F.l1_loss(boxes, truth, reduction="none").sum(-1)).sum()
    return total / score.sum().clamp(min=1.0)


def _binary(teacher: Tensor, student: Tensor, divergence: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    log_p, log_q = (torch.stack([F.logsigmoid(z), F.logsigmoid(-z)], dim=-1) for z in (teacher, student))
    return divergence(log_p, log_q)


def _around(distances: Tensor) -> Tensor:
    """Distances to the left, top, right and bottom ``(..., 4)`` -> boxes around the point, as corners."""
    return torch.cat([-distances[..., :2], distances[..., 2:]], dim=-1)


class BoxDistillation:
    """Tasks with a one-stage ``detector``: see :mod:`lightning_nas.search.paths.distillation`."""

    detector: Any

    def distilled_module(self) -> nn.Module:
        """The head, which classifies and places a box at every anchor or point.

        Raises:
            ArgumentError: If the detector has two stages: the regions of two networks are not the same.
        """
        head: nn.Module | None = getattr(self.detector, "head", None)
        if head is None:
            raise ArgumentError(
                f"distillation: {type(self.detector).__name__} has two stages, and networks propose different regions: use "
                "detector = 'retinanet' or 'fcos', or set distillation to 0"
            )
        return head

    def distillation_loss(
        self, student: Outputs, teacher: Outputs, batch: Any, divergence: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """See :func:`detection_distance`."""
        return detection_distance(student, teacher, divergence)
