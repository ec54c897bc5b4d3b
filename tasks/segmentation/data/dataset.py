"""Images with labels, one by one and in batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightning_nas.tasks.images import Pipeline, read_rgb
from lightning_nas.tasks.segmentation.data.mask_files import read_mask
from lightning_nas.tasks.segmentation.data.pairs import Pair

Sample = tuple[Tensor, Tensor]


class SegmentationDataset(Dataset[Sample]):
    """Pairs of images ``(3, H, W)`` from 0 to 1 and labels ``(H, W)``, 255 where a pixel does not count.

    Args:
        pairs: The files.
        lookup: Value in a mask file -> label, ``(256,)``.
        pipeline: Steps on both.
        palette: Colours of coloured masks.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        lookup: np.ndarray,
        pipeline: Pipeline,
        palette: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.pairs, self.lookup, self.pipeline, self.palette = tuple(pairs), lookup, pipeline, palette

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        labels = self.lookup[read_mask(pair.mask, self.palette)]
        both = self.pipeline.together(image=read_rgb(pair.image), mask=labels)
        return both["image"], both["mask"].long()


def collate(samples: Sequence[Sample]) -> tuple[Tensor | list[Tensor], Tensor | list[Tensor]]:
    """``(B, 3, H, W)`` and ``(B, H, W)``; lists of images and labels where sizes differ."""
    images, labels = [image for image, _ in samples], [label for _, label in samples]
    if len({image.shape for image in images}) > 1:
        return images, labels
    return torch.stack(images), torch.stack(labels)
