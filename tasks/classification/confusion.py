"""A confusion matrix as a picture: drawn after every validation, so in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib import colormaps, font_manager
from PIL import Image, ImageDraw, ImageFont

from lightning_nas.errors import ArgumentError

MOST_NAMES = 20  # with more classes neither names nor counts can be read

CELL, ALL = 44, 640
"""Side of a cell with its count, and of all cells where there are too many for counts, in pixels."""

MARGIN = 12
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str] | None = None) -> Image.Image:
    """Draws it, rows from above and columns from the left.

    Args:
        matrix: Counts ``(true, predicted)``.
        class_names: Shown on the axes up to 20 classes; numbers if None.

    Returns:
        A picture in RGB; the shade of a cell is its share of the row, i.e. of the true class.

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
    cells = _cells(matrix, shares) if few else _shades(shares).resize((ALL, ALL), Image.Resampling.NEAREST)
    rows = [_text(name, 13) for name in names] if few else []
    columns = [row.rotate(45, Image.Resampling.BICUBIC, expand=True, fillcolor=WHITE) for row in rows]
    correct, total = int(np.trace(matrix)), int(matrix.sum())
    title = _text(f"{correct} of {total} right ({correct / max(total, 1):.1%})", 15)
    down, across = _text("true (shade: share of its images)", 13).rotate(90, expand=True), _text("predicted", 13)
    left = 2 * MARGIN + down.width + max((row.width for row in rows), default=0) + MARGIN // 2
    top = 2 * MARGIN + title.height
    below = top + cells.height + MARGIN // 2
    height = below + max((column.height for column in columns), default=0) + across.height + 2 * MARGIN
    width = max(left + cells.width, left + title.width) + MARGIN
    picture = Image.new("RGB", (width, max(height, down.height + 2 * MARGIN)), WHITE)
    picture.paste(cells, (left, top))
    picture.paste(title, (left, MARGIN))
    picture.paste(down, (MARGIN, max(top + (cells.height - down.height) // 2, MARGIN)))
    picture.paste(across, (left + (cells.width - across.width) // 2, height - across.height - MARGIN))
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        middle = CELL * index + CELL // 2
        picture.paste(row, (left - row.width - MARGIN // 2, top + middle - row.height // 2))
        half = round(row.height * 0.36)  # of a line of text that stands at 45 degrees
        mask = column.convert("L").point(lambda value: 255 - value)  # its corners lie over its neighbours
        picture.paste(column, (left + middle - column.width + half, below), mask)
    return picture


def _shades(shares: np.ndarray) -> Image.Image:
    """One pixel a cell."""
    return Image.fromarray((colormaps["Blues"](shares)[..., :3] * 255).astype(np.uint8))


def _cells(matrix: np.ndarray, shares: np.ndarray) -> Image.Image:
    """Every cell with its count, if there is any."""
    side = CELL * len(matrix)
    cells = _shades(shares).resize((side, side), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(cells)
    for row, column in np.argwhere(matrix > 0):
        middle = CELL * column + CELL // 2, CELL * row + CELL // 2
        colour = WHITE if shares[row, column] > 0.5 else BLACK
        draw.text(middle, str(int(matrix[row, column])), fill=colour, font=_font(11), anchor="mm")
    return cells


def _text(text: str, size: int) -> Image.Image:
    """A line of text on white."""
    _, _, right, bottom = _font(size).getbbox(text)
    line = Image.new("RGB", (int(right) + 2, int(bottom) + 4), WHITE)
    ImageDraw.Draw(line).text((0, 0), text, fill=BLACK, font=_font(size))
    return line
