"""What a benchmark is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table


class Benchmark(ABC):
    """Measures something; its arguments are the keys of its config in ``conf/what``."""

    @abstractmethod
    def run(self) -> dict[str, Any]:
        """Everything that was measured, as JSON values."""

    @staticmethod
    @abstractmethod
    def render(results: Sequence[Mapping[str, Any]]) -> Table:
        """What a terminal shows of one or several results of this benchmark."""

    @staticmethod
    def draw(results: Sequence[Mapping[str, Any]], folder: Path) -> Path | None:
        """Writes a picture of the results into a folder, if there is anything to be seen.

        Returns:
            The picture's path.
        """
        return None
