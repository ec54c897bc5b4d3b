"""Sample pictures that a test leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch.distributed as dist
from torch import Tensor

from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.tasks.images.gallery import Drawn, WorstImages
from lightning_nas.tasks.segmentation.drawing import as_uint8, colored, overlaid, sheet
from lightning_nas.tasks.segmentation.gallery import FORMULA, SCORE, drawn_labels, miou_of_image

MOST_SAMPLES = 5


class TestRecord:
    """Collects the first and the worst images of a test; not part of any checkpoint."""

    __test__ = False  # not a test of pytest

    def __init__(self) -> None:
        self._samples: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._worst = WorstImages()

    def add(
        self,
        image: Tensor,
        truth: Tensor,
        predicted: Tensor,
        matrix: Tensor,
        palette: Sequence[Sequence[int]],
        names: Sequence[str],
    ) -> None:
        """Takes an image.

        Args:
            image: ``(3, H, W)`` from 0 to 1.
            truth: Its labels ``(H, W)``.
            predicted: The same.
            matrix: Numbers of its pixels ``(true, predicted)``.
            palette: Colour of each class.
            names: Of the classes.
        """
        if len(self._samples) < MOST_SAMPLES:
            self._samples.append((as_uint8(image), _as_array(truth), _as_array(predicted)))
        self._worst.add(miou_of_image(matrix), partial(_drawn, image, truth, predicted, matrix, palette, names))

    def write(self, folder: Path, palette: Sequence[Sequence[int]]) -> None:
        """Writes ``samples.jpg``: image, truth and prediction of each; of the first rank only. The gallery of all ranks."""
        self._worst.write(folder, SCORE, FORMULA)
        samples, self._samples = self._samples, []
        if not samples or (is_distributed() and dist.get_rank() != 0):
            return
        rows = [
            (image, colored(truth, palette), overlaid(image, predicted, palette)) for image, truth, predicted in samples
        ]
        folder.mkdir(parents=True, exist_ok=True)
        sheet(rows).save(folder / "samples.jpg", quality=85)


def _as_array(labels: Tensor) -> np.ndarray:
    array: np.ndarray = labels.byte().cpu().numpy()
    return array


def _drawn(
    image: Tensor,
    truth: Tensor,
    predicted: Tensor,
    matrix: Tensor,
    palette: Sequence[Sequence[int]],
    names: Sequence[str],
) -> Drawn:
    return drawn_labels(as_uint8(image), _as_array(truth), _as_array(predicted), matrix, palette, names)
