"""How many seconds each phase of a run has taken, over all attempts, in a file of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel

from lightning_nas.architecture import write_atomic
from lightning_nas.runs.contents import read_text

_Phases = RootModel[dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]]


class Spent:
    """Adds up the seconds of phases; what earlier attempts have spent is read.

    Args:
        path: The file. One that is damaged is begun anew: nothing depends on it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     spent = Spent(Path(folder, "phases.json"))
        ...     spent.begin("training", 0.0)
        ...     spent.begin("testing", 2.0)
        ...     spent.end(2.5)
        ...     read_spent(Path(folder, "phases.json"))
        {'training': 2.0, 'testing': 0.5}
    """

    def __init__(self, path: Path) -> None:
        self._path, self._seconds = path, read_spent(path)
        self._phase: tuple[str, float] | None = None

    def begin(self, title: str, now: float) -> None:
        """A phase begins; the one before has ended."""
        self.end(now)
        self._phase = title, now

    def end(self, now: float) -> None:
        """The phase has ended."""
        if self._phase is None:
            return
        title, began = self._phase
        self._seconds[title] = round(self._seconds.get(title, 0.0) + now - began, 3)
        self._phase = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(self._seconds, indent=1) + "\n")


def read_spent(path: Path) -> dict[str, float]:
    """Phase -> seconds, as far as a run has come; nothing where that is not known."""
    if not path.is_file():
        return {}
    try:
        return dict(_Phases.model_validate_json(read_text(path)).root)
    except ValueError:
        return {}
