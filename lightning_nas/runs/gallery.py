"""The gallery of a test: its worst images, the truth beside what was predicted, each with a score of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import NasError
from lightning_nas.runs.contents import Finite, checked, read_text

JPEG = b"\xff\xd8\xff"
"""How such a file begins."""


@dataclass(frozen=True)
class Picture:
    """A picture of an entry.

    Args:
        caption: What it shows, e.g. ``"truth"``.
        jpeg: The file.
    """

    caption: str
    jpeg: bytes


@dataclass(frozen=True)
class Shown:
    """An image of the test.

    Args:
        name: What to call it.
        score: How good the prediction is.
        said: What the pictures do not say.
        pictures: Side by side.
    """

    name: str
    score: float
    said: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Gallery:
    """What a test leaves behind for a report; any task may write one into its ``trainer.log_dir``.

    Args:
        score: What the score of an image is called, e.g. ``"mIoU of the image"``; larger is better.
        formula: How it is computed, in a sentence or two.
        images: How many images have a score.
        median: Of their scores.
        best: Of their scores.
        shown: The worst of them, the worst one first.

    Example:
        >>> import tempfile
        >>> entry = Shown("test image 3", 0.25, "", (Picture("truth", JPEG), Picture("prediction", JPEG)))
        >>> gallery = Gallery("share", "Right pixels of all.", 10, 0.8, 0.9, (entry,))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     gallery.save(Path(folder) / "worst.json")
        ...     Gallery.load(Path(folder) / "worst.json") == gallery
        True
    """

    score: str
    formula: str
    images: int
    median: float
    best: float
    shown: Sequence[Shown]

    def save(self, path: Path) -> None:
        """Writes the file; the pictures are in it."""
        record = {
            "score": self.score,
            "formula": self.formula,
            "images": self.images,
            "median": self.median,
            "best": self.best,
            "shown": [
                {
                    "name": entry.name,
                    "score": entry.score,
                    "said": entry.said,
                    "pictures": [
                        {"caption": one.caption, "jpeg": base64.b64encode(one.jpeg).decode()} for one in entry.pictures
                    ],
                }
                for entry in self.shown
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(record, indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path, refuse: type[NasError] = NasError) -> Gallery:
        """Reads the file, which may come from a stranger.

        Args:
            path: Of the file.
            refuse: The error.

        Raises:
            NasError: If it is none; it names the file.
        """
        data = checked(read_text(path, refuse), _Gallery, str(path), refuse)
        return cls(
            data["score"], data["formula"], data["images"], data["median"], data["best"],
            tuple(_shown(entry, path, refuse) for entry in data["shown"]),
        )  # fmt: skip


def _shown(entry: dict[str, Any], path: Path, refuse: type[NasError]) -> Shown:
    pictures = []
    for one in entry["pictures"]:
        try:
            jpeg = base64.b64decode(one["jpeg"], validate=True)
        except ValueError as error:
            raise refuse(f"{path}: {entry['name'][:50]!r}: {one['caption'][:50]!r}: {error}") from None
        if not jpeg.startswith(JPEG):
            raise refuse(f"{path}: {entry['name'][:50]!r}: {one['caption'][:50]!r}: expected a JPEG file")
        pictures.append(Picture(one["caption"], jpeg))
    return Shown(entry["name"], entry["score"], entry["said"], tuple(pictures))


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Picture(_Strict):
    caption: str
    jpeg: str


class _Shown(_Strict):
    name: str
    score: Finite
    said: str
    pictures: Annotated[list[_Picture], Field(min_length=1, max_length=4)]


class _Gallery(_Strict):
    """The file."""

    score: str
    formula: str
    images: Annotated[int, Field(ge=1)]
    median: Finite
    best: Finite
    shown: Annotated[list[_Shown], Field(min_length=1, max_length=100)]
