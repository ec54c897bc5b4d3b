"""What torchmetrics defines otherwise."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.classification import MulticlassRecall


class MeanRecall(MulticlassRecall):
    """Mean recall over the classes that have images; also called balanced accuracy.

    A class without images has no recall. torchmetrics takes it for 0 as soon as one image is said to be of that class.

    Args:
        num_classes: Number of classes.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="macro")

    def compute(self) -> Tensor:
        """The mean."""
        right, _, _, missed = self._final_state()
        there = right + missed > 0
        mean: Tensor = (right / (right + missed))[there].mean()
        return mean
