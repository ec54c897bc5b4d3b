"""What a test leaves behind: the images whose true class seemed least probable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_nas.tasks.images.gallery import Drawn, WorstImages, fitted

SCORE = "probability of the true class"
FORMULA = (
    "The score of an image is the probability that the network gives to its true class (softmax of the outputs): 1 is certain "
    "and right, and where it is small and another class is likely, network or label is wrong."
)
LISTED = 3
"""Classes that are listed with their probability, the most probable first."""


class TestRecord:
    """Collects the worst images of a test; not part of any checkpoint."""

    __test__ = False  # not a test of pytest

    def __init__(self) -> None:
        self._worst = WorstImages()

    def add(self, images: Tensor, labels: Tensor, logits: Tensor, datamodule: Any) -> None:
        """Takes a batch.

        Args:
            images: ``(B, C, H, W)``, normalised.
            labels: ``(B,)``.
            logits: ``(B, classes)``.
            datamodule: Whose ``class_names`` and ``preparation`` are shown and undone, where it has them; may be None.
        """
        names = getattr(datamodule, "class_names", None)
        preparation = getattr(datamodule, "preparation", {})
        probabilities = logits.detach().float().softmax(dim=1).cpu()
        truth = labels.cpu()
        scores = probabilities.gather(1, truth[:, None])[:, 0].tolist()
        for image, label, row, score in zip(images, truth.tolist(), probabilities, scores, strict=True):
            visible = partial(visible_pixels, image, preparation)
            self._worst.add(score, partial(_drawn, visible, label, row, names))

    def write(self, folder: Path) -> None:
        """Writes the gallery of all ranks; forgets everything."""
        self._worst.write(folder, SCORE, FORMULA)


def _drawn(visible: Callable[[], np.ndarray], label: int, probabilities: Tensor, names: Sequence[str] | None) -> Drawn:
    def called(index: int) -> str:
        return str(index) if names is None else str(names[index])

    best = probabilities.argsort(descending=True)[:LISTED].tolist()
    guessed = ", ".join(f"{called(index)} {probabilities[index]:.2f}" for index in best)
    return f"true: {called(label)}; predicted: {guessed}", [("", fitted(visible()))]


def visible_pixels(image: Tensor, preparation: Mapping[str, Any]) -> np.ndarray:
    """A normalised image ``(C, H, W)`` as ``(H, W, 3)`` of ``uint8``.

    Args:
        image: The image.
        preparation: With its ``mean`` and ``std``; without them the darkest value becomes black, the brightest one white.

    Example:
        >>> visible_pixels(torch.tensor([[[-1.0, 0.0]]]), {"mean": [0.5], "std": [0.5]})[0, :, 0].tolist()
        [0, 128]
    """
    values = image.detach().float().cpu()
    mean, std = (torch.tensor(preparation.get(name, ())) for name in ("mean", "std"))
    if len(mean) == len(std) == len(values):
        values = values * std.view(-1, 1, 1) + mean.view(-1, 1, 1)
    else:
        low, high = torch.aminmax(values)
        values = (values - low) / (high - low).clamp_min(1e-12)
    pixels = (values.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels if pixels.shape[2] == 3 else pixels[..., :1].repeat(3, axis=2)
