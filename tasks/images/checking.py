"""Looks at every image of a data set once, before anything is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import track

from lightning_nas.tasks.images.problems import Problems
from lightning_nas.tasks.images.reading import decoded_size


def readable(paths: Sequence[Path], problems: Problems) -> list[bool]:
    """Whether each image decodes to its end; those that do not are problems.

    Raises:
        DataError: If one does not, and such things are not left out: it names the file.
    """
    found = []
    with ThreadPoolExecutor() as pool:
        faults = track(pool.map(_fault, paths), f"checking {problems.place.name}", len(paths), transient=True)
        for fault in faults:
            if fault is not None:
                problems.note("image does not decode", fault)
            found.append(fault is None)
    return found


def _fault(path: Path) -> str | None:
    try:
        decoded_size(path)
    except ValueError as error:
        return str(error)
    return None
