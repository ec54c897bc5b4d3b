"""The folder of a run from data to model: a search, a training, what is exported, and how far all that has come."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_nas.architecture import decode_text, parse_json, write_atomic
from lightning_nas.errors import RunFolderError
from lightning_nas.runs.folder import RunFolder


@dataclass(frozen=True)
class AutomaticFolder:
    """Where ``auto`` keeps what.

    Args:
        path: The folder; it need not exist.

    Example:
        >>> AutomaticFolder("runs/auto/mine").search.path.name
        'search'
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def search(self) -> RunFolder:
        """The search and its comparison."""
        return RunFolder(self.path / "search")

    @property
    def training(self) -> RunFolder:
        """The training of the found network."""
        return RunFolder(self.path / "train")

    @property
    def split(self) -> Path:
        """Folder of the files that hold a split, where the data have none."""
        return self.path / "split"

    @property
    def model(self) -> Path:
        """Folder of the finished model."""
        return self.path / "model"

    @property
    def card(self) -> Path:
        """What the model is, for people."""
        return self.model / "README.md"

    @property
    def state(self) -> Path:
        """How far it has come."""
        return self.path / "auto.json"

    def read_state(self) -> dict[str, Any]:
        """What an earlier attempt has left; nothing if there was none.

        Raises:
            RunFolderError: If it is damaged.
        """
        if not self.state.is_file():
            return {}
        try:
            state = parse_json(decode_text(self.state.read_bytes()))
            if not isinstance(state, dict):
                raise TypeError(f"expected an object, got {type(state).__name__}")
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{self.state}: damaged: {error}; name another folder with out=<folder>") from None
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        """Keeps it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.state, json.dumps(state, indent=2) + "\n")

    def last_sign(self) -> float | None:
        """When anything was written here last, in seconds since 1970; None if nothing was."""
        times = [
            os.path.getmtime(os.path.join(place, file)) for place, _, files in os.walk(self.path) for file in files
        ]
        return max(times, default=None)
