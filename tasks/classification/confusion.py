"""A confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lightning_nas.errors import ArgumentError

MOST_NAMES = 20  # with more classes neither names nor counts can be read

LETTER = 0.085
"""Width of a letter on the axes, in inches."""


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str] | None = None) -> Figure:
    """Draws it without touching pyplot's global state; margins are those of the names, as a layout engine takes longer.

    Args:
        matrix: Counts ``(true, predicted)``.
        class_names: Shown on the axes up to 20 classes; numbers if None.

    Returns:
        A figure; the shade of a cell is its share of the row, i.e. of the true class.

    Raises:
        ArgumentError: If the matrix is not square, or the names are not as many.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ArgumentError(f"matrix must be square, got shape {matrix.shape}")
    count = len(matrix)
    names = [str(i) for i in range(count)] if class_names is None else list(class_names)
    if len(names) != count:
        raise ArgumentError(f"class_names must be {count}, got {len(names)}")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    few = count <= MOST_NAMES
    side = 1.5 + 0.5 * count if few else 7.0
    longest = LETTER * max(map(len, names), default=0) if few else 0.4
    left, bottom, right, top = 0.6 + longest, 0.7 + 0.75 * longest, 1.1, 0.4
    width, height = left + side + right, bottom + side + top
    figure = Figure(figsize=(width, height), dpi=100)
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    beside = figure.add_axes(((left + side + 0.15) / width, bottom / height, 0.2 / width, side / height))
    figure.colorbar(picture, cax=beside, label="share of the true class", ticks=[0, 0.5, 1])
    correct = int(np.trace(matrix))
    total = int(matrix.sum())
    axes.set(xlabel="predicted", ylabel="true", title=f"{correct} of {total} right ({correct / max(total, 1):.1%})")
    if few:
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{matrix[row, column]:d}", ha="center", va="center", color=colour, fontsize=8)
    return figure


def rendered(figure: Figure) -> np.ndarray:
    """Its pixels ``(H, W, 3)``, for all who show it: drawing takes longer than showing."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
