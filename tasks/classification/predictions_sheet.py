"""A sheet of images with the classes that were predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from lightning_nas.errors import ArgumentError

MOST_PICTURES = 40
"""Images on a sheet."""

SIDE = 160
"""Pixels of a picture, which keeps the shape of its image."""

COLUMNS = 8
BARS = 3
"""Classes that are shown with their probability."""

WIDTH, HEIGHT, EDGE = 1.9, 2.6, 0.05
"""Of the place of an image and its classes, and what stays free on its left and right, in inches."""

BARS_FROM, BAR = 1.93, 0.2
"""Where the bars begin, and their height with what is between them."""

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
    figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))  # one for all, in inches: two for each image take ten times as long
    axes.set_axis_off()
    for index, guess in enumerate(guesses):
        row, column = divmod(index, columns)
        _draw(axes, guess, WIDTH * column + EDGE, HEIGHT * row)
    axes.set(xlim=(0, WIDTH * columns), ylim=(HEIGHT * rows, 0))
    return figure


def _draw(axes: Axes, guess: Guess, left: float, top: float) -> None:
    """One image, with its name and bars, in inches from the left and from above."""
    width = WIDTH - 2 * EDGE
    middle, shown = left + width / 2, guess.classes[:BARS]
    axes.text(middle, top + 0.2, _cut(guess.name, from_start=True), ha="center", fontsize=7)
    height = BARS_FROM - 0.32
    scale = min(width / guess.picture.shape[1], height / guess.picture.shape[0])
    across, down = scale * guess.picture.shape[1] / 2, scale * guess.picture.shape[0] / 2
    centre = top + 0.25 + height / 2
    place = (middle - across, middle + across, centre + down, centre - down)
    axes.imshow(guess.picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=place, aspect="auto")
    for line, (name, value) in enumerate(shown):
        at = top + BARS_FROM + BAR * (line + 0.5)
        axes.add_patch(Rectangle((left, at - 0.4 * BAR), width * value, 0.8 * BAR, color="#3b82d0", alpha=0.35, lw=0))
        weight = "bold" if line == 0 else "normal"
        axes.text(left + 0.04, at, f"{_cut(name)} {value:.2f}", va="center", fontsize=7, fontweight=weight)


def _cut(name: str, *, from_start: bool = False) -> str:
    """A name that is not too long; of files the end tells them apart."""
    name = name.replace("$", r"\$")  # no formula
    if len(name) <= LETTERS:
        return name
    return f"…{name[-LETTERS:]}" if from_start else f"{name[:LETTERS]}…"
