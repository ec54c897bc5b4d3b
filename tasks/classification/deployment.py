"""A classifier as one module from pixels to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.models.deployment import Deployment, Run
from lightning_nas.tasks.classification.preparation import Preparation


class WholeClassifier(nn.Module):
    """Pixels -> probabilities.

    Args:
        backbone: Image -> feature maps.
        head: Feature maps -> logits.
        preparation: Of validation images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, preparation: Preparation) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        for name, values in (("mean", preparation.mean), ("std", preparation.std)):
            self.register_buffer(name, 255 * torch.tensor(values).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        """``(B, H, W, channels)`` of ``uint8 -> (B, classes)``."""
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return (self.head(self.backbone(images)).softmax(dim=1),)


def classifier_deployment(task: Any, preparation: Preparation, size: tuple[int, int] | None) -> Deployment:
    """What of a classifier is exported: input ``pixels (B, crop, crop, channels)`` of ``uint8``, output ``probabilities``.

    Resizing stays outside, with the rule that the notes say: which interpolation is at hand differs from runtime to runtime.

    Args:
        task: With backbone and head.
        preparation: Of validation images.
        size: Height and width, if other than the crop.

    Raises:
        ArgumentError: If the size is another one: the network was tested on that one.
    """
    side = preparation.crop
    if size is not None and tuple(size) != (side, side):
        raise ArgumentError(f"size = {tuple(size)}: this network classifies images of {(side, side)}")
    module = WholeClassifier(task.backbone, task.head, preparation).eval()
    notes = {
        "before": f"shorter side to {preparation.resize} (bilinear), then the central {side} x {side}",
        "classes": "probabilities are in the order of the classes",
    }
    return Deployment(
        module, (torch.zeros(2, side, side, preparation.channels, dtype=torch.uint8),), ("pixels",), ("probabilities",),
        {"pixels": {0: "batch"}, "probabilities": {0: "batch"}}, _standing_in(module), notes=notes,
    )  # fmt: skip


def _standing_in(module: WholeClassifier) -> Callable[[Run, Any], Any]:
    def forward(run: Run, images: Tensor) -> Tensor:
        """Normalised images -> logits, as far as pixels and probabilities know them."""
        pixels = (images.cpu() * module.std + module.mean).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
        (probabilities,) = run(pixels)
        return probabilities.clamp_min(1e-30).log().to(images.device)

    return forward
