"""A sheet of images with the classes that were predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lightning_nas.errors import ArgumentError

MOST_PICTURES = 40
"""Images on a sheet."""

SIDE = 160
"""Pixels of a picture, which keeps the shape of its image."""

COLUMNS = 8
BARS = 3
"""Classes that are shown with their probability."""

LETTERS = 22
"""Of a name of a class or a file, which would run into the next picture; then it is cut."""


@dataclass(frozen=True)
class Guess:
    """What was predicted for one image.

    Args:
        picture: ``(h, w)`` or ``(h, w, 3)`` of ``uint8``, no larger than the place it gets.
        name: Of the file.
        classes: Name and probability of the most probable classes, the first one first.
    """

    picture: np.ndarray
    name: str
    classes: Sequence[tuple[str, float]]

    @classmethod
    def of(cls, pixels: np.ndarray, name: str, classes: Sequence[tuple[str, float]]) -> Guess:
        """Keeps an image ``(H, W, C)`` in the size that is shown."""
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        image.thumbnail((SIDE, SIDE))
        return cls(np.array(image), name, classes)


def draw_guesses(guesses: Sequence[Guess]) -> Figure:
    """Every image with its file's name above, and bars of probability below.

    Raises:
        ValueError: If there is nothing to show.
    """
    if not guesses:
        raise ArgumentError("guesses must not be empty, got []")
    columns = min(COLUMNS, len(guesses))
    rows = -(-len(guesses) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.6 * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[1.9, 0.7] * rows)
    for place in axes.flat:
        place.set_axis_off()
    for index, guess in enumerate(guesses):
        row, column = divmod(index, columns)
        above, below = axes[2 * row, column], axes[2 * row + 1, column]
        above.imshow(guess.picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        above.set_title(_cut(guess.name, from_start=True), fontsize=7)
        shown = guess.classes[:BARS]
        below.barh(range(len(shown)), [value for _, value in shown], color="#3b82d0", alpha=0.35)
        for line, (name, value) in enumerate(shown):
            weight = "bold" if line == 0 else "normal"
            below.text(0.02, line, f"{_cut(name)} {value:.2f}", va="center", fontsize=7, fontweight=weight)
        below.set(xlim=(0, 1), ylim=(BARS - 0.5, -0.5))
    return figure


def _cut(name: str, *, from_start: bool = False) -> str:
    """A name that is not too long; of files the end tells them apart."""
    name = name.replace("$", r"\$")  # no formula
    if len(name) <= LETTERS:
        return name
    return f"…{name[-LETTERS:]}" if from_start else f"{name[:LETTERS]}…"
