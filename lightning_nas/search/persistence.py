"""What a run leaves on disk, so that the same command goes on after a kill."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_nas.search.families import pl


class LastCheckpoint(pl.callbacks.ModelCheckpoint):
    """Writes ``last.ckpt`` after every epoch, atomically over the one before.

    ``ModelCheckpoint(save_last=True, save_top_k=0)`` writes it at the end of the training only.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, filename="last", save_top_k=1, every_n_epochs=1, enable_version_counter=False)


class ContinuedCSVLogger(pl.loggers.CSVLogger):
    """``metrics.csv`` of a folder; a resumed run keeps the lines that come before its first new one.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="")
        self._past = _rows(folder / "metrics.csv")

    @pl.utilities.rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Adds a line."""
        if self._past and step is not None:
            self.experiment.metrics.extend(row for row in self._past if int(row["step"]) < step)
            self._past = []
        super().log_metrics(dict(metrics), step)

    @pl.utilities.rank_zero_only
    def finalize(self, status: str) -> None:
        """Keeps all lines if there was nothing new: the training had ended before the run was interrupted."""
        if self._past and self._experiment is not None:
            self.experiment.metrics.extend(self._past)
            self._past = []
        super().finalize(status)


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [row for row in rows if str(row.get("step", "")).isdecimal()]
