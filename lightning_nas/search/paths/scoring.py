"""Candidates asked, measured and told one by one, in a file that lets an interrupted search go on."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Protocol

from rich.progress import track

from lightning_nas.architecture import Choices, Option, write_atomic
from lightning_nas.errors import NotFiniteError, RunFolderError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Candidate, Scoring, checked, read_text
from lightning_nas.search.headline import finite_or_none
from lightning_nas.strategies.paths.evolution import Evolution, replay
from lightning_nas.strategies.paths.shortlist import Shortlist


class Writer(Protocol):
    """Who decides whether this process writes; a Trainer does."""

    @property
    def is_global_zero(self) -> bool:
        """Whether it is the first process."""


def best_of(
    candidates: Evolution | Shortlist,
    measure: Callable[[Choices], float],
    run: RunFolder,
    writer: Writer,
    *,
    total: int,
    title: str,
) -> dict[str, Option]:
    """Measures all candidates that have not been yet; shows a progress bar.

    Args:
        candidates: Asks and is told.
        measure: Fitness of an architecture, the larger the better.
        run: Its ``candidates`` hold one line per candidate, in the order in which they were told, and are replayed first; its
            ``scoring`` says how many seconds all attempts have taken.
        writer: Says whether this process writes it.
        total: Number of candidates, told ones included.
        title: Of the progress bar.

    Returns:
        The best architecture.

    Raises:
        FloatingPointError: If no candidate has a finite score.
    """
    if run.candidates.is_file():
        told = [
            checked(line, Candidate, f"{run.candidates}, line {number}")
            for number, line in enumerate(read_text(run.candidates).splitlines(), start=1)
        ]
        try:
            replay(candidates, [(entry["choices"], fitness_of(entry["fitness"])) for entry in told])
        except (ValueError, TypeError, KeyError) as error:
            raise RunFolderError(f"{run.candidates}: not the candidates of this search: {error}") from error
    seconds = scoring_seconds(run)
    for _ in track(range(total - len(candidates.history)), title):
        if candidates.done:  # a small space has fewer candidates than asked for
            break
        start = time.perf_counter()
        choices = candidates.ask()
        candidates.tell(choices, fitness_of(measure(choices)))
        seconds += time.perf_counter() - start
        if writer.is_global_zero:
            write_atomic(run.scoring, json.dumps({"seconds": seconds}) + "\n")
            lines = (
                json.dumps({"choices": known, "fitness": finite_or_none(value)}) for known, value in candidates.history
            )
            write_atomic(run.candidates, "".join(f"{line}\n" for line in lines))
    best, fitness = candidates.best()
    if fitness == -math.inf:
        raise NotFiniteError(f"{title}: no candidate has a score that is a finite number; was the supernet trained?")
    return best


def fitness_of(score: float | None) -> float:
    """The fitness of a candidate: one without a finite score has failed and is worse than all others.

    Example:
        >>> fitness_of(0.5), fitness_of(float("nan")), fitness_of(None)
        (0.5, -inf, -inf)
    """
    return score if score is not None and math.isfinite(score) else -math.inf


def scoring_seconds(run: RunFolder) -> float:
    """What measuring candidates has taken in a run folder so far; 0 where there were none."""
    if not run.scoring.exists():
        return 0.0
    return float(checked(read_text(run.scoring), Scoring, str(run.scoring))["seconds"])
