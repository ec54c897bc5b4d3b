"""The worst images of a test, as a report shows them."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from lightning_nas.errors import ReportError
from lightning_nas.report.tables import decimal
from lightning_nas.runs import RunFolder
from lightning_nas.runs.gallery import Gallery, Shown


@dataclass(frozen=True)
class GalleryReport:
    """What a page shows.

    Args:
        sentence: Of how many images these are the worst, and how good the others are.
        formula: How the score of an image is computed.
        entries: Name, score, what the pictures do not say, and caption and source of each picture; the worst one first.
        columns: Most pictures of an entry.
    """

    sentence: str
    formula: str
    entries: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...]
    columns: int


def gallery_report(run: RunFolder) -> GalleryReport | None:
    """What a page shows of the worst test images of the run's own network; None if there is no gallery.

    Raises:
        ReportError: If a file is malformed; it names the file.
    """
    path = next((one.gallery for one in (run.found, run) if one.gallery.is_file()), None)
    if path is None:
        return None
    gallery = Gallery.load(path, ReportError)
    count = len(gallery.shown)
    which = "All of them are" if count == gallery.images else f"The {count} worst are" if count > 1 else "The worst is"
    worst, median, best = (decimal(value, 2) for value in (gallery.shown[0].score, gallery.median, gallery.best))
    sentence = (
        f"Each of the {gallery.images} test images has a score of its own, the {gallery.score}: {worst} for the worst, "
        f"{median} in the median, {best} for the best. {which} shown, the worst first; what they have in common is what to "
        "work on: images of that kind, wrong labels, objects that are too small."
    )
    entries = tuple((one.name, decimal(one.score, 2), one.said, _sources(one)) for one in gallery.shown)
    return GalleryReport(sentence, gallery.formula, entries, max(len(one.pictures) for one in gallery.shown))


def _sources(entry: Shown) -> tuple[tuple[str, str], ...]:
    return tuple(
        (one.caption, f"data:image/jpeg;base64,{base64.b64encode(one.jpeg).decode()}") for one in entry.pictures
    )
