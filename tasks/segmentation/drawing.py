"""Label maps in colour, and laid over their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

OPACITY = 0.6
"""Of labels over an image."""

GAP = 4
"""White pixels between pictures of a sheet."""


def default_palette(num_classes: int) -> list[tuple[int, int, int]]:
    """Colours for classes that come without."""
    hues = colormaps["tab20"]
    return [tuple(round(255 * value) for value in hues(index % 20)[:3]) for index in range(num_classes)]  # type: ignore[misc]


def colored(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """``(H, W)`` labels -> ``(H, W, 3)`` of ``uint8``; labels beyond the palette, such as the ignored one, are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8)
    picture: np.ndarray = table[labels.astype(np.uint8)]
    return picture


def overlaid(image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Labels in colour over a grey ``(H, W, 3)`` image of ``uint8``."""
    grey = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
    mixed: np.ndarray = (1 - OPACITY) * grey + OPACITY * colored(labels, palette)
    return mixed.round().astype(np.uint8)


def draw_legend(names: Sequence[str], palette: Sequence[Sequence[int]]) -> Figure:
    """The colours of classes with their names."""
    figure = Figure(figsize=(3.0, 0.3 * len(names) + 0.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.imshow(np.asarray(palette, np.uint8)[:, None], aspect="auto", extent=(0, 1, len(names), 0))
    for row, name in enumerate(names):
        axes.text(1.3, row + 0.5, name, va="center")
    axes.set(xlim=(0, 8), ylim=(len(names), 0))
    return figure


def as_uint8(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` from 0 to 1 -> ``(H, W, 3)`` of ``uint8``."""
    pixels: np.ndarray = (image.detach().float().clamp(0, 1) * 255).round().byte().cpu().numpy().transpose(1, 2, 0)
    return pixels


def sheet(rows: Sequence[Sequence[np.ndarray]], width: int = 1080) -> Image.Image:
    """Pictures in rows, every row scaled to the width of the sheet."""
    strips = []
    for row in rows:
        height = max(picture.shape[0] for picture in row)
        padded = [
            np.pad(
                picture,
                ((0, height - picture.shape[0]), (0, GAP if index < len(row) - 1 else 0), (0, 0)),
                constant_values=255,
            )
            for index, picture in enumerate(row)
        ]
        joined = Image.fromarray(np.concatenate(padded, axis=1))
        strips.append(joined.resize((width, max(1, round(joined.height * width / joined.width)))))
    whole = Image.new("RGB", (width, sum(strip.height + GAP for strip in strips) - GAP), "white")
    top = 0
    for strip in strips:
        whole.paste(strip, (0, top))
        top += strip.height + GAP
    return whole
