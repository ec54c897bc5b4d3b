"""Mean intersection over union and its kin, from one confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric

from lightning_nas.evaluation.bootstrap import interval
from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.search.presentation import MetricTable


class ConfusionMatrix(Metric):
    """Numbers of pixels by true and predicted class, ``(true, predicted)``, over all batches and ranks.

    torchmetrics' own counts by comparing every pixel with every cell of the matrix where deterministic algorithms are asked
    for, as here: with 19 classes that took longer than the network. Whole numbers can be counted in any order.

    Args:
        num_classes: Number of classes.
        ignore: Label of pixels that do not count.
    """

    full_state_update = False
    matrix: Tensor

    def __init__(self, num_classes: int, ignore: int) -> None:
        super().__init__()
        self.num_classes, self.ignore = num_classes, ignore
        self.add_state("matrix", torch.zeros(num_classes, num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Adds pixels: labels of equal shape."""
        counts = target != self.ignore
        cells = target[counts] * self.num_classes + predicted[counts]
        self.matrix += torch.bincount(cells, minlength=self.num_classes**2).view_as(self.matrix)

    def compute(self) -> Tensor:
        """The matrix."""
        return self.matrix


class MatricesOfImages:
    """The confusion matrix of every image, to see how sure their mean intersection over union is.

    Args:
        num_classes: Number of classes.
        ignore: Label of pixels that do not count.
    """

    def __init__(self, num_classes: int, ignore: int) -> None:
        self.num_classes, self.ignore = num_classes, ignore
        self.reset()

    def add(self, predicted: Tensor, target: Tensor) -> list[Tensor]:
        """Adds images: labels ``(B, H, W)``; gives the matrix ``(true, predicted)`` of each."""
        matrices = []
        for found, truth in zip(predicted, target, strict=True):
            counts = truth != self.ignore
            cells = truth[counts] * self.num_classes + found[counts]
            matrix = torch.bincount(cells, minlength=self.num_classes**2).view(self.num_classes, self.num_classes)
            matrices.append(matrix.cpu())
        self._matrices += matrices
        return matrices

    def interval(self) -> tuple[float, float] | None:
        """95 % interval of ``miou``, by drawing the images of all ranks anew; None where there are too few."""
        matrices = self._matrices
        if is_distributed():
            gathered: list[list[Tensor]] = [[]] * dist.get_world_size()
            dist.all_gather_object(gathered, matrices)
            matrices = [matrix for part in gathered for matrix in part]
        if not matrices:
            return None
        stacked = torch.stack(matrices).double()

        def miou(counts: np.ndarray) -> float:
            values = summarize(torch.einsum("n,nij->ij", torch.from_numpy(counts).double(), stacked))
            return float(values.get("miou", torch.tensor(torch.nan)))

        return interval(miou, len(matrices))

    def reset(self) -> None:
        """Forgets all images."""
        self._matrices: list[Tensor] = []


def summarize(matrix: Tensor, class_names: Sequence[str] = ()) -> dict[str, Tensor]:
    """Metrics of a confusion matrix ``(true, predicted)``.

    A class that is neither there nor predicted anywhere has no IoU and no F1: it is left out of the means.

    Args:
        matrix: Numbers of pixels.
        class_names: With names, ``iou/<name>`` is given for every class that has one, spaces as underscores.

    Returns:
        ``miou``, ``pixel_accuracy`` and ``f1`` (mean over classes); nothing without any pixel.

    Example:
        >>> values = summarize(torch.tensor([[3, 1], [0, 4]]), ["sky", "road"])
        >>> {name: round(float(value), 3) for name, value in values.items()}
        {'miou': 0.775, 'pixel_accuracy': 0.875, 'f1': 0.873, 'iou/sky': 0.75, 'iou/road': 0.8}
    """
    matrix = matrix.double()
    right, there, found = matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)
    union = there + found - right
    exists = union > 0
    if not exists.any():
        return {}
    iou = right / union  # not finite where there is nothing, and left out
    f1 = 2 * right / (there + found)
    values = {"miou": iou[exists].mean(), "pixel_accuracy": right.sum() / matrix.sum(), "f1": f1[exists].mean()}
    for index, name in enumerate(class_names):
        if exists[index]:
            values[_iou_of(name)] = iou[index]
    return {name: value.float() for name, value in values.items()}


def iou_table(class_names: Sequence[str]) -> MetricTable:
    """How a report shows the intersection over union of every class."""
    return MetricTable(
        "Intersection over union by class",
        {_iou_of(name): name for name in class_names},
        note="Classes that neither occur in the test images nor were predicted have no value and do not count in the mean.",
        rows="metrics",
        corner="Class",
    )


def _iou_of(class_name: str) -> str:
    return f"iou/{class_name.replace(' ', '_')}"
