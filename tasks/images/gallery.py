"""The worst images of a test, collected batch by batch: pictures are kept of those alone."""

from __future__ import annotations

import bisect
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from PIL import Image

from lightning_nas.runs import RunFolder
from lightning_nas.runs.gallery import Gallery, Picture, Shown
from lightning_nas.search.lightning.distributed import is_distributed

MOST = 8
"""Images of a gallery."""

SIDE = 288
"""Pixels of the longer side of a picture."""

QUALITY = 82
"""Of the JPEG files."""

Drawn = tuple[str, Sequence[tuple[str, np.ndarray]]]
"""What the pictures of an image do not say; caption and pixels ``(h, w, 3)`` of ``uint8`` of each picture."""


class WorstImages:
    """Collects scores of all images and pictures of the worst; not part of any checkpoint.

    Args:
        most: How many are shown.

    Example:
        >>> worst = WorstImages(most=2)
        >>> for score in (0.5, 0.9, 0.1):
        ...     worst.add(score, lambda: ("", [("image", np.zeros((4, 4, 3), np.uint8))]))
        >>> [entry.score for entry in worst.gallery("share", "Right of all.").shown]
        [0.1, 0.5]
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.reset()

    def reset(self) -> None:
        """Forgets all images."""
        self._seen = 0
        self._scores: list[float] = []
        self._shown: list[Shown] = []

    def add(self, score: float, draw: Callable[[], Drawn], name: str | None = None) -> None:
        """Takes the next image.

        Args:
            score: How good its prediction is; larger is better. One that is no finite number is no score.
            draw: Called if the image is among the worst so far.
            name: What to call it; None: its number in the test.
        """
        self._seen += 1
        if not np.isfinite(score):
            return
        self._scores.append(score)
        if len(self._shown) == self.most and score >= self._shown[-1].score:
            return
        said, drawn = draw()
        pictures = tuple(Picture(caption, jpeg(pixels)) for caption, pixels in drawn)
        rank = f" of rank {dist.get_rank()}" if is_distributed() else ""
        entry = Shown(name or f"test image {self._seen}{rank}", score, said, pictures)
        bisect.insort(self._shown, entry, key=lambda one: one.score)
        del self._shown[self.most :]

    def gallery(self, score: str, formula: str) -> Gallery | None:
        """What was collected on all ranks; None if no image has a score, or this is not the first rank.

        Args:
            score: What the score is called.
            formula: How it is computed.
        """
        scores, shown = self._scores, self._shown
        if is_distributed():
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, (scores, shown))
            if dist.get_rank() != 0:
                return None
            scores = [one for part, _ in gathered for one in part]
            shown = sorted((one for _, part in gathered for one in part), key=lambda one: one.score)[: self.most]
        if not scores:
            return None
        return Gallery(score, formula, len(scores), float(np.median(scores)), max(scores), tuple(shown))

    def write(self, folder: Path, score: str, formula: str) -> None:
        """Writes the gallery into a folder, if there is anything to show; forgets everything. It asks the other ranks.

        Args:
            folder: Where a test writes its files.
            score: As of :meth:`gallery`.
            formula: As of :meth:`gallery`.
        """
        gallery = self.gallery(score, formula)
        self.reset()
        if gallery is not None:
            gallery.save(RunFolder(folder).gallery)


def fitted(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """An image ``(H, W, 3)`` of ``uint8`` whose longer side has so many pixels; enlarged ones keep their pixels visible."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(scale * width)), max(1, round(scale * height))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize(size, way))


def jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG file of an image ``(H, W, 3)`` of ``uint8``."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
