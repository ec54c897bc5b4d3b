"""What a folder of data is: which task it suits, which data module reads it, and what is known of it without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightning_nas.errors import NasError


class LayoutError(NasError):
    """A folder that is no data set, or more than one; the text says what was looked for."""


Recognise = Callable[[Path, Path], "Layout | None"]
"""Folder, and a folder in which files may be written that a split needs -> what it is; None if it is of another kind."""


@dataclass(frozen=True)
class Layout:
    """A data set as a task recognises it.

    A data module takes part with ``recognise``, a static method of the type :data:`Recognise`.

    Args:
        kind: What people call it, e.g. ``"class folders"``.
        task: Name of the task's config.
        data: Name of the data module's config.
        settings: Overrides of the command ``search`` and ``train`` that name the files, and what suits data of this kind.
        sized: Side of the images in pixels -> overrides that bring them to it.
        images: How many of each part there are: ``train``, ``val``, ``test``.
        classes: Their names.
        sides: Median of the shorter and of the longer sides of the training images, in pixels.
        object_share: Median side of what has to be found, relative to the image's; 1 for the whole of it.
        smallest_side: Side of the images below which nothing is saved, in pixels.
        notes: Odd things, one sentence each.

    Raises:
        LayoutError: If there is nothing to train on, or nothing to learn.

    Example:
        >>> Layout("class folders", "classification", "imagefolder", (), lambda side: [f"data.image_size={side}"],
        ...        {"train": 90, "val": 10}, ("cat", "dog"), (300, 400)).sized(64)
        ['data.image_size=64']
    """

    kind: str
    task: str
    data: str
    settings: tuple[str, ...]
    sized: Callable[[int], Sequence[str]]
    images: Mapping[str, int]
    classes: Sequence[str]
    sides: tuple[int, int]
    object_share: float = 1.0
    smallest_side: int = 64
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for part in ("train", "val"):
            if not self.images.get(part):
                raise LayoutError(f"{self.kind}: no {part} images, got {dict(self.images)}")
        if not self.classes:
            raise LayoutError(f"{self.kind}: no classes")

    def described(self) -> list[str]:
        """Lines for people."""
        counts = ", ".join(f"{count:,} {part}" for part, count in self.images.items())
        names = ", ".join(list(self.classes)[:8]) + (", ..." if len(self.classes) > 8 else "")
        shorter, longer = self.sides
        return [
            f"found:    {self.kind}, so task={self.task} data={self.data}",
            f"images:   {counts}; sides of {shorter} and {longer} pixels in the median",
            f"classes:  {len(self.classes)}: {names}",
            *(f"note:     {note}" for note in self.notes),
        ]


def recognised(folder: Path, written: Path, known: Mapping[str, Recognise]) -> Layout:
    """The one layout that a folder has.

    Args:
        folder: Of the data.
        written: Where a recogniser may write files that hold a split.
        known: Name of a data module's config -> its recogniser.

    Raises:
        LayoutError: If there is no such folder, it has none of the layouts, or several.
    """
    if not folder.is_dir():
        raise LayoutError(f"data = {str(folder)!r}: there is no such folder")
    found = [layout for recognise in known.values() if (layout := recognise(folder, written)) is not None]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = " and ".join(f"{layout.kind} (data={layout.data})" for layout in found)
        raise LayoutError(
            f"data = {str(folder)!r} is more than one data set: {kinds}; keep each in a folder of its own, and name that"
        )
    inside = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    listed = ", ".join(inside[:6]) + (", ..." if len(inside) > 6 else "") or "nothing"
    raise LayoutError(
        f"data = {str(folder)!r} is none of the known layouts ({', '.join(sorted(known))}); it holds {listed}. Expected are "
        "annotations in COCO's format beside images (also as Roboflow and CVAT export them), folders of images and of masks "
        "with the same names, Cityscapes' leftImg8bit and gtFine, or one folder of images per class"
    )
