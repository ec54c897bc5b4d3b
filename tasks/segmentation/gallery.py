"""The worst images of a segmentation: the truth beside the prediction, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from lightning_nas.tasks.images.gallery import Drawn, fitted
from lightning_nas.tasks.segmentation.drawing import colored, overlaid
from lightning_nas.tasks.segmentation.metrics import summarize

SCORE = "mIoU of the image"
FORMULA = (
    "The score of an image is its own mean IoU: for every class that is there or was predicted on this image the pixels that "
    "are right, divided by those that are of the class in truth or in the prediction; then the mean over these classes. Pixels "
    "without a label do not count. (The mIoU of the test is of the pixels of all images together.)"
)
WORST_CLASSES = 3
"""Classes that are named with their IoU, the worst first."""


def miou_of_image(matrix: Tensor) -> float:
    """Mean IoU of an image from its confusion matrix ``(true, predicted)``; NaN where no pixel counts.

    Example:
        >>> import torch
        >>> miou_of_image(torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
        0.7749999761581421
    """
    return float(summarize(matrix).get("miou", float("nan")))


def drawn_labels(
    image: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    matrix: Tensor,
    palette: Sequence[Sequence[int]],
    names: Sequence[str],
) -> Drawn:
    """Truth and prediction over the image, and the image itself.

    Args:
        image: ``(H, W, 3)`` of ``uint8``.
        truth: ``(H, W)`` labels; those beyond the palette do not count.
        predicted: ``(H, W)`` labels.
        matrix: Of the image, ``(true, predicted)``.
        palette: Colour of each class.
        names: Of the classes.
    """
    picture = fitted(image)
    rows, columns = (
        np.linspace(0, side - 1, small).round().astype(int)
        for side, small in zip(image.shape[:2], picture.shape[:2], strict=True)
    )
    seen, found = truth[np.ix_(rows, columns)], predicted[np.ix_(rows, columns)]
    over = overlaid(picture, seen, palette)
    over[seen >= len(palette)] = colored(seen[seen >= len(palette)][None], palette)[0]
    return _worst_classes(matrix, names), [
        ("image", picture), ("truth", over), ("prediction", overlaid(picture, found, palette)),
    ]  # fmt: skip


def _worst_classes(matrix: Tensor, names: Sequence[str]) -> str:
    counts = matrix.double()
    union = counts.sum(dim=0) + counts.sum(dim=1) - counts.diagonal()
    there = [index for index in range(len(counts)) if union[index] > 0]
    worst = sorted(there, key=lambda index: float(counts[index, index] / union[index]))[:WORST_CLASSES]
    return ", ".join(f"{names[index]} {float(counts[index, index] / union[index]):.2f}" for index in worst)
