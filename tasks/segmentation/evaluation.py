"""How an image is segmented: whole, in windows, at several scales, mirrored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.resize import resize

Network = Callable[[Tensor], Tensor]
"""``(B, 3, H, W) ->`` logits ``(B, classes, H, W)``."""
Batch = tuple[Tensor | list[Tensor], Tensor | list[Tensor]]
"""Images ``(B, 3, H, W)`` from 0 to 1 and labels ``(B, H, W)``; lists where sizes differ."""


@dataclass(frozen=True)
class Evaluation:
    """A way of evaluating; probabilities of all views are averaged.

    Args:
        window: Height and width of windows that slide over the image; None for the whole image at once. An image that is
            not larger is taken whole.
        overlap: Share of a window that the next one covers again.
        scales: Sizes at which the image is seen, relative to its own.
        flip: Whether it is seen mirrored as well.

    Raises:
        ValueError: If a value is out of range.
    """

    window: tuple[int, int] | None = None
    overlap: float = 1 / 3
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and (len(self.window) != 2 or min(self.window) < 1):
            raise ArgumentError(f"eval_window must be height and width, both positive, or null, got {self.window!r}")
        if not 0 <= self.overlap < 1:
            raise ArgumentError(f"eval_overlap must be at least 0 and below 1, got {self.overlap!r}")
        if not self.scales or min(self.scales) <= 0:
            raise ArgumentError(f"eval_scales must hold at least one positive number, got {self.scales!r}")

    def probabilities(self, network: Network, images: Tensor) -> Tensor:
        """``(B, 3, H, W) -> (B, classes, H, W)``, which sum to 1 over the classes."""
        height, width = images.shape[-2:]
        total: Tensor | None = None
        for scale in self.scales:
            view = images
            if scale != 1:
                view = resize(images, (max(1, round(scale * int(height))), max(1, round(scale * int(width)))))
            for mirrored in (False, True) if self.flip else (False,):
                seen = self._in_windows(network, view.flip(-1) if mirrored else view)
                seen = resize(seen.flip(-1) if mirrored else seen, (height, width))
                total = seen if total is None else total + seen
        assert total is not None
        return total / (len(self.scales) * (2 if self.flip else 1))

    def _in_windows(self, network: Network, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if self.window is None or (self.window[0] >= height and self.window[1] >= width):
            return network(images).float().softmax(dim=1)
        window = (min(self.window[0], height), min(self.window[1], width))
        total: Tensor | None = None
        count = images.new_zeros(1, 1, height, width)
        for top in window_starts(height, window[0], self.overlap):
            for left in window_starts(width, window[1], self.overlap):
                here = (..., slice(top, top + window[0]), slice(left, left + window[1]))
                seen = network(images[here]).float().softmax(dim=1)
                if total is None:
                    total = seen.new_zeros(len(images), seen.shape[1], height, width)
                total[here] += seen
                count[here] += 1
        assert total is not None
        return total / count


def window_starts(size: int, window: int, overlap: float) -> Sequence[int]:
    """Where windows begin: evenly, the last one ends at the border, neighbours share at least ``overlap``.

    Example:
        >>> window_starts(10, 4, 0.25), window_starts(4, 4, 0.5)
        ([0, 3, 6], [0])
    """
    step = max(1, int(window * (1 - overlap)))
    count = -(-(size - window) // step) + 1
    return [round(index * (size - window) / max(count - 1, 1)) for index in range(count)]


def predicted_labels(probabilities: Tensor) -> Tensor:
    """``(B, classes, H, W) -> (B, H, W)``."""
    return torch.argmax(probabilities, dim=1)


def of_equal_size(batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """A batch as it is, or image by image where sizes differ."""
    images, labels = batch
    if isinstance(images, Tensor) and isinstance(labels, Tensor):
        yield images, labels
        return
    for image, label in zip(images, labels, strict=True):
        yield image[None], label[None]
