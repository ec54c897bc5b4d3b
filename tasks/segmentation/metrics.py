"""Mean intersection over union and its kin, from one confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix


class PixelMetrics(torch.nn.Module):
    """Counts pixels by true and predicted class, over all batches and ranks.

    Args:
        num_classes: Number of classes.
        ignore: Label of pixels that do not count.
    """

    def __init__(self, num_classes: int, ignore: int) -> None:
        super().__init__()
        self.matrix = MulticlassConfusionMatrix(num_classes, ignore_index=ignore, validate_args=False)

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Adds pixels: labels of equal shape."""
        self.matrix.update(predicted, target)

    def compute(self) -> Tensor:
        """The matrix over all ranks, ``(true, predicted)``; forgets everything."""
        matrix: Tensor = self.matrix.compute()
        self.matrix.reset()
        return matrix


def summarize(matrix: Tensor, class_names: Sequence[str] = ()) -> dict[str, Tensor]:
    """Metrics of a confusion matrix ``(true, predicted)``.

    A class that is neither there nor predicted anywhere has no IoU and no F1: it is left out of the means.

    Args:
        matrix: Numbers of pixels.
        class_names: With names, ``iou/<name>`` is given for every class that has one, spaces as underscores.

    Returns:
        ``miou``, ``pixel_accuracy`` and ``f1`` (mean over classes), all 0 without any pixel.

    Example:
        >>> values = summarize(torch.tensor([[3, 1], [0, 4]]), ["sky", "road"])
        >>> {name: round(float(value), 3) for name, value in values.items()}
        {'miou': 0.775, 'pixel_accuracy': 0.875, 'f1': 0.873, 'iou/sky': 0.75, 'iou/road': 0.8}
    """
    matrix = matrix.double()
    right, there, found = matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)
    union = there + found - right
    exists = union > 0
    iou = right / union.clamp(min=1)
    f1 = 2 * right / (there + found).clamp(min=1)
    classes = exists.sum().clamp(min=1)
    values = {
        "miou": iou[exists].sum() / classes,
        "pixel_accuracy": right.sum() / matrix.sum().clamp(min=1),
        "f1": f1[exists].sum() / classes,
    }
    for index, name in enumerate(class_names):
        if exists[index]:
            values[f"iou/{name.replace(' ', '_')}"] = iou[index]
    return {name: value.float() for name, value in values.items()}
