"""A segmentation as one module from pixels to labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.models.deployment import Deployment, Run
from lightning_nas.tasks.segmentation.evaluation import Evaluation, predicted_labels

SIDE = 128
"""Of the image with which the module is looked at, where nothing says a size."""


class WholeSegmenter(nn.Module):
    """Pixels -> labels and probabilities.

    Args:
        backbone: Image -> feature maps.
        head: Feature maps and a size -> logits.
        mean: Of each channel, ``(1, 3, 1, 1)``.
        std: Of each channel.
        evaluation: The views of an image.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, mean: Tensor, std: Tensor, evaluation: Evaluation) -> None:
        super().__init__()
        self.backbone, self.head, self.evaluation = backbone, head, evaluation
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("std", std.detach().clone())

    def logits(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` from 0 to 1 ``-> (B, classes, H, W)``."""
        logits: Tensor = self.head(self.backbone((images - self.mean) / self.std), (images.shape[-2], images.shape[-1]))
        return logits

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, H, W, 3)`` of ``uint8 -> labels (B, H, W)`` of ``uint8``, probabilities ``(B, classes, H, W)``."""
        probabilities = self.evaluation.probabilities(self.logits, pixels.permute(0, 3, 1, 2).float() / 255)
        return predicted_labels(probabilities).byte(), probabilities


def pixel_deployment(task: Any, scale: float, size: tuple[int, int] | None) -> Deployment:
    """What of a segmentation is exported: input ``pixels (B, H, W, 3)``, outputs ``labels`` and ``probabilities``.

    Height and width may change, unless the task looks at images in several sizes or in windows.

    Args:
        task: With backbone and head.
        scale: Size in which images are segmented, relative to their own; scaling stays outside.
        size: Height and width.
    """
    evaluation: Evaluation = task.testing
    module = WholeSegmenter(task.backbone, task.head, task.mean, task.std, evaluation).eval()
    free = {1: "height", 2: "width"} if evaluation.window is None and evaluation.scales == (1.0,) else {}
    height, width = size or (SIDE, SIDE)
    notes = {
        "before": "nothing" if scale == 1 else f"both sides times {scale}",
        "classes": "labels count from 0, in the order of the classes; probabilities are of that order",
    }

    def forward(run: Run, images: Tensor | list[Tensor]) -> Any:
        """Images from 0 to 1 -> logits, as far as probabilities know them; of images of several sizes one by one."""
        if isinstance(images, list):
            return [forward(run, image[None])[0] for image in images]
        _, probabilities = run((images.cpu() * 255).round().byte().permute(0, 2, 3, 1))
        return probabilities.clamp_min(1e-30).log().to(images.device)

    return Deployment(
        module, (torch.zeros(2, height, width, 3, dtype=torch.uint8),), ("pixels",), ("labels", "probabilities"),
        {
            "pixels": {0: "batch", **free},
            "labels": {0: "batch", **free},
            "probabilities": {0: "batch", **{axis + 1: name for axis, name in free.items()}},
        },
        forward if evaluation == Evaluation(overlap=evaluation.overlap) else None, notes=notes,
    )  # fmt: skip
