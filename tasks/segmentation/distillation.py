"""What a small segmenter learns from a large one: its probabilities of the classes at every pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_nas.tasks.segmentation.data.labels import IGNORE


def pixel_distance(
    student: Tensor, teacher: Tensor, labels: Tensor, divergence: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Mean divergence over the pixels that count; 0 if there are none.

    Args:
        student: Logits ``(B, classes, H, W)``.
        teacher: The same of the large network.
        labels: ``(B, H, W)``; pixels of the ignored label do not count.
        divergence: Logarithms of both probabilities ``(..., classes)`` -> ``(...)``.
    """
    counts = (labels != IGNORE).float()
    log_p, log_q = (F.log_softmax(logits.float(), dim=1).movedim(1, -1) for logits in (teacher, student))
    return (divergence(log_p, log_q) * counts).sum() / torch.clamp(counts.sum(), min=1.0)


class PixelDistillation:
    """Segmenters with a ``head`` of logits: see :mod:`lightning_nas.search.paths.distillation`."""

    head: nn.Module

    def distilled_module(self) -> nn.Module:
        """The head: ``(B, num_classes, H, W)``."""
        return self.head

    def distillation_loss(
        self,
        student: Tensor,
        teacher: Tensor,
        batch: tuple[Tensor, Tensor],
        divergence: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """See :func:`pixel_distance`."""
        return pixel_distance(student, teacher, batch[1], divergence)
