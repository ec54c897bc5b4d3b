"""Images with true and predicted boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torchvision.ops import nms

from lightning_nas.errors import ArgumentError

LEAST_SCORE = 0.3
"""Detections below this score are not drawn."""

MOST_OVERLAP = 0.6
"""Nor those that overlap a stronger one by more than this (intersection over union)."""

HUES = [colormaps["tab20"](index) for index in range(20)]
"""Of the classes, again from the first after the last."""


@dataclass(frozen=True)
class Sample:
    """An image with what was found on it, and what is on it where that is known.

    Args:
        image: ``(H, W, 3)`` from 0 to 1.
        boxes: ``(n, 4)``, left, top, right, bottom.
        labels: ``(n,)`` from 1.
        scores: ``(n,)``.
        true_boxes: ``(m, 4)``; None if unknown.
        true_labels: ``(m,)`` from 1.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    true_boxes: np.ndarray | None = None
    true_labels: np.ndarray | None = None

    @classmethod
    def of(cls, image: Tensor, found: dict[str, Tensor], target: dict[str, Tensor] | None = None) -> Sample:
        """A sample of tensors, the image ``(3, H, W)``."""
        values = [found[name].detach().float().cpu().numpy() for name in ("boxes", "labels", "scores")]
        truth = [] if target is None else [target[name].cpu().numpy() for name in ("boxes", "labels")]
        return cls(image.detach().float().cpu().permute(1, 2, 0).numpy(), *values, *truth)


def draw_samples(samples: Sequence[Sample], names: Sequence[str] | None = None, columns: int = 4) -> Figure:
    """A sheet of images: white dashed boxes are true, coloured ones predicted, with class and score.

    Args:
        samples: The images.
        names: Of the classes; numbers if None.
        columns: Images per row.

    Raises:
        ValueError: If there are no samples.
    """
    if not samples:
        raise ArgumentError("samples must not be empty, got []")
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.2 * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for sample, place in zip(samples, axes.flat, strict=False):
        draw_sample(place, sample, names)
    return figure


def draw_sample(axes: Axes, sample: Sample, names: Sequence[str] | None = None) -> None:
    """Draws one image into axes."""
    axes.imshow(sample.image.clip(0, 1))
    if sample.true_boxes is not None:
        for box in sample.true_boxes:
            axes.add_patch(_rectangle(box, "white", "--", 1.6))
    for index in _legible(sample):
        box, label, score = sample.boxes[index], sample.labels[index], sample.scores[index]
        hue = HUES[int(label) % len(HUES)]
        axes.add_patch(_rectangle(box, hue, "-", 1.4))
        name = names[int(label) - 1] if names else str(int(label))
        style = {"facecolor": hue, "edgecolor": "none", "pad": 0.8}
        axes.text(
            box[0], box[1], f"{name} {score:.2f}", fontsize=7, color="black", va="bottom", bbox=style, clip_on=True
        )


def _legible(sample: Sample) -> list[int]:
    """The detections that are drawn, the strongest last: none that mostly covers a stronger one, of whatever class."""
    boxes, scores = torch.from_numpy(sample.boxes), torch.from_numpy(sample.scores)
    kept: list[int] = nms(boxes, scores, MOST_OVERLAP).tolist()
    return [index for index in reversed(kept) if sample.scores[index] >= LEAST_SCORE]


def _rectangle(box: np.ndarray, colour: object, style: str, width: float) -> Rectangle:
    left, top, right, bottom = (float(value) for value in box)
    return Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, ls=style, lw=width)
