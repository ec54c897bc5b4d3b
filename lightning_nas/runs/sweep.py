"""The folder of a sweep: the only file that spells the names in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_nas.runs.folder import RunFolder


@dataclass(frozen=True)
class SweepFolder:
    """Where the jobs of a multirun lie, each a folder that is named by its number.

    Args:
        path: The folder; it need not exist.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def jobs(self) -> Sequence[RunFolder]:
        """Those that have begun."""
        runs = (RunFolder(path) for path in sorted(self.path.glob("*")) if path.is_dir())
        return [run for run in runs if run.overrides.is_file()]

    @property
    def table(self) -> Path:
        """Mean and spread over seeds."""
        return self.path / "table.csv"

    @property
    def errors(self) -> Path:
        """Folder of the reasons why jobs have failed."""
        return self.path / "errors"

    def error(self, job: int) -> Path:
        """Why one of them has failed."""
        return self.errors / f"{job}.txt"
