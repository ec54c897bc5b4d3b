"""What is wrong with a data set: the first problem raised, or all of them counted."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from lightning_nas.errors import NasError


class DataError(NasError):
    """Data that cannot be used; the text names the file."""


class Problems:
    """Collects what is invalid in one file or folder.

    Args:
        place: The file or folder, named in all messages.
        error: What is raised.
        skip: Leave out what is invalid and count it, instead of raising.
        option: What a user writes to have it left out.
    """

    def __init__(self, place: Path, error: type[DataError], skip: bool, option: str = "data.skip_invalid=true") -> None:
        self.place, self.error, self.skip, self.option = place, error, skip, option
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, text: str) -> Any:
        """One thing that is invalid.

        Returns:
            None, where a value was looked for.

        Raises:
            DataError: Of the given kind, unless such things are left out.
        """
        if not self.skip:
            raise self.error(f"{self.place}: {text}; {self.option} leaves such things out and counts them")
        self.counts[kind] += 1
        return None

    def warn(self) -> None:
        """One warning with the number of things of every kind that were left out."""
        if self.counts:
            counted = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.counts.items()))
            warnings.warn(f"{self.place}: left out because invalid: {counted}", stacklevel=3)
