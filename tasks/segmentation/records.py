"""Sample pictures that a test leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch.distributed as dist
from torch import Tensor

from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.tasks.segmentation.drawing import as_uint8, colored, overlaid, sheet

MOST_SAMPLES = 5


class TestRecord:
    """Collects the first images of a test; not part of any checkpoint."""

    __test__ = False  # not a test of pytest

    def __init__(self) -> None:
        self._samples: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, image: Tensor, truth: Tensor, predicted: Tensor) -> None:
        """Takes an image ``(3, H, W)`` and its labels ``(H, W)``, while there is room."""
        if len(self._samples) < MOST_SAMPLES:
            labels = (labels.byte().cpu().numpy() for labels in (truth, predicted))
            self._samples.append((as_uint8(image), *labels))

    def write(self, folder: Path, palette: Sequence[Sequence[int]]) -> None:
        """Writes ``samples.jpg``: image, truth and prediction of each; of the first rank only. Forgets everything."""
        samples, self._samples = self._samples, []
        if not samples or (is_distributed() and dist.get_rank() != 0):
            return
        rows = [
            (image, colored(truth, palette), overlaid(image, predicted, palette)) for image, truth, predicted in samples
        ]
        folder.mkdir(parents=True, exist_ok=True)
        sheet(rows).save(folder / "samples.jpg", quality=85)
