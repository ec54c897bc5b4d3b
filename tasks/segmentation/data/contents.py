"""Whether masks hold something to learn: every class, and in the numbers that are expected."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lightning_nas.tasks.images.contents import named
from lightning_nas.tasks.segmentation.data.labels import LabelTable
from lightning_nas.tasks.segmentation.data.pairs import Pair, SegmentationError

VOID_SHARE = 0.25
"""Share of pixels with the lowest ids of Cityscapes, which do not count, that no real split reaches."""


def pixels_of(pairs: Sequence[Pair]) -> Counter[int] | None:
    """Value in mask files -> number of its pixels; None if the masks were not decoded."""
    total: Counter[int] = Counter()
    for pair in pairs:
        if pair.pixels is None:
            return None
        total.update(pair.pixels)
    return total


def check_training(place: Path, pairs: Sequence[Pair], table: LabelTable) -> None:
    """Names the classes that never occur in training masks.

    Args:
        place: Named in messages.
        pairs: The training images.
        table: The values that masks may hold.

    Raises:
        SegmentationError: If fewer than two classes occur, which leaves nothing to learn; else there is a warning.
    """
    pixels = pixels_of(pairs)
    if pixels is None:
        return
    absent = [entry for entry in table.classes if not pixels[entry.id]]
    if not absent:
        return
    classes = named("class", "classes", [entry.name for entry in absent])
    text = f"{place}: no pixel of the training masks belongs to {classes}"
    for value in sorted(table.ignored):
        if pixels[value]:
            text += f"; {pixels[value] / pixels.total():.0%} of the pixels are {value}, which does not count"
    if set(pixels) <= {0, 255} and 255 in table.ignored:
        text += ". For masks of 0 and 255 give the colours: data.palette=[[0,0,0],[255,255,255]]"
    if len(table.classes) - len(absent) < 2:
        raise SegmentationError(f"{text}. Nothing can be learnt from fewer than two classes")
    warnings.warn(text, stacklevel=2)


def check_counted(place: Path, pairs: Sequence[Pair], table: LabelTable) -> None:
    """Refuses a split of which no pixel counts, so that there is nothing to measure.

    Raises:
        SegmentationError: If it is so.
    """
    pixels = pixels_of(pairs)
    if pixels is not None and not any(pixels[entry.id] for entry in table.classes):
        values = sorted(pixels)
        raise SegmentationError(f"{place}: no pixel of any mask belongs to a class; their values are {values}")


def warn_of_other_colours(place: Path, pairs: Sequence[Pair]) -> None:
    """Says that masks with palettes of their own show one number in several colours: their numbers may mean nothing.

    Programs that reduce colours number them as they come, in each file anew.
    """
    seen: dict[int, tuple[tuple[int, ...], Path]] = {}
    for pair in pairs:
        for value, colour in pair.colours.items():
            first, file = seen.setdefault(value, (colour, pair.mask))
            if first != colour:
                warnings.warn(
                    f"{place}: masks are read by the numbers that they store, but {value} is the colour {list(first)} in "
                    f"{file} and {list(colour)} in {pair.mask}; if colours say the class, give data.palette",
                    stacklevel=2,
                )
                return


def refuse_train_ids(place: Path, pairs: Sequence[Pair]) -> None:
    """Refuses files of label ids that hold train ids, 0 to 18, which would be taken for other classes.

    Raises:
        SegmentationError: If no id above 18 occurs and many of the lowest ones, which are not learnt in label ids.
    """
    pixels = pixels_of(pairs)
    if not pixels or any(18 < value < 255 for value in pixels):
        return
    if sum(pixels[value] for value in range(7)) > VOID_SHARE * pixels.total():
        raise SegmentationError(
            f"{place}: the masks hold the values {sorted(pixels)}, which look like train ids; expected label ids, from 0 to "
            "33, as the files *_gtFine_labelIds.png of Cityscapes hold them. For train ids use data=masks"
        )
