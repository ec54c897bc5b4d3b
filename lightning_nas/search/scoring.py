"""Candidates asked, measured and told one by one, in a file that lets an interrupted search go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rich.progress import track

from lightning_nas.architecture import Choices, Option, write_atomic
from lightning_nas.strategies.sampling.evolution import Evolution, replay
from lightning_nas.strategies.sampling.shortlist import Shortlist


class Writer(Protocol):
    """Who decides whether this process writes; a Trainer does."""

    @property
    def is_global_zero(self) -> bool:
        """Whether it is the first process."""


def best_of(
    candidates: Evolution | Shortlist,
    measure: Callable[[Choices], float],
    file: Path,
    writer: Writer,
    *,
    total: int,
    title: str,
) -> dict[str, Option]:
    """Measures all candidates that have not been yet; shows a progress bar.

    Args:
        candidates: Asks and is told.
        measure: Fitness of an architecture, the larger the better.
        file: ``evolution.jsonl`` of a run: one line per candidate, in the order in which they were told. It is replayed first.
        writer: Says whether this process writes it.
        total: Number of candidates, told ones included.
        title: Of the progress bar.

    Returns:
        The best architecture.
    """
    if file.is_file():
        told = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        replay(candidates, [(entry["choices"], entry["fitness"]) for entry in told])
    for _ in track(range(total - len(candidates.history)), title):
        if candidates.done:  # a small space has fewer candidates than asked for
            break
        choices = candidates.ask()
        candidates.tell(choices, measure(choices))
        if writer.is_global_zero:
            lines = (json.dumps({"choices": known, "fitness": value}) for known, value in candidates.history)
            write_atomic(file, "".join(f"{line}\n" for line in lines))
    return candidates.best()[0]
