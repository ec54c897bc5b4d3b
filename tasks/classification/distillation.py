"""What a small classifier learns from a large one: its probabilities of the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class ClassDistillation:
    """Classifiers with a ``head`` of logits: see :mod:`lightning_nas.search.paths.distillation`."""

    head: nn.Module

    def distilled_module(self) -> nn.Module:
        """The head: ``(B, num_classes)``."""
        return self.head

    def distillation_loss(
        self, student: Tensor, teacher: Tensor, batch: Any, divergence: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Mean divergence of the classes' probabilities over the images."""
        return divergence(F.log_softmax(teacher.float(), -1), F.log_softmax(student.float(), -1)).mean()
