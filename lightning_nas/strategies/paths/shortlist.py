"""The choice among given candidates, as ask and tell: all are scored once, the best of them again. It knows no training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError

TRIES = 50
"""Known architectures in a row after which a small space, or a sure policy, counts as exhausted."""


class Shortlist:
    """Two rounds: every candidate is scored, then the best few are scored again, by something more thorough.

    ``tell`` answers the last ``ask``. The result of the second round alone decides, where there is one. Told the same, it
    asks the same: a search that was interrupted goes on after its history is replayed.

    Source: Li, Talwalkar 2019, arXiv 1902.07638, section 3.2.

    Args:
        candidates: Architectures, in the order in which they are scored.
        finalists: How many of the best candidates are scored again; with 1 there is no second round.

    Attributes:
        history: Everything that was told, in order.

    Raises:
        ValueError: If there are no candidates or no finalists.
    """

    def __init__(self, candidates: Sequence[Choices], *, finalists: int = 1) -> None:
        if not candidates:
            raise ArgumentError("candidates must hold at least one architecture, got none")
        if finalists < 1:
            raise ArgumentError(f"finalists must be at least 1, got {finalists}")
        self.candidates: list[dict[str, Option]] = [dict(choices) for choices in candidates]
        self.finalists = min(finalists, len(candidates))
        self.history: list[tuple[dict[str, Option], float]] = []

    @property
    def round(self) -> int:
        """1 or 2: the round of what is asked next."""
        return 1 if len(self.history) < len(self.candidates) else 2

    @property
    def total(self) -> int:
        """How often something is asked, in both rounds together."""
        return len(self.candidates) + (self.finalists if self.finalists > 1 else 0)

    @property
    def done(self) -> bool:
        """Whether both rounds are over."""
        return len(self.history) >= self.total

    def ask(self) -> dict[str, Option]:
        """The next candidate; the same one until it is told.

        Raises:
            ValueError: If both rounds are over.
        """
        if self.done:
            raise ArgumentError(f"all {self.total} candidates and finalists are scored")
        told = len(self.history)
        if self.round == 1:
            return dict(self.candidates[told])
        return dict(self._best_of_the_first_round()[told - len(self.candidates)])

    def tell(self, choices: Choices, fitness: float) -> None:
        """Answers the last :meth:`ask`; larger is better.

        Raises:
            ValueError: If another candidate was asked, or the fitness is not a number.
        """
        if self.done or dict(choices) != self.ask():
            raise ArgumentError(f"choices must be those that were asked last, got {dict(choices)}")
        if math.isnan(fitness):
            raise ArgumentError(f"fitness must be a number, got {fitness}")
        self.history.append((dict(choices), float(fitness)))

    def best(self) -> tuple[dict[str, Option], float]:
        """The best candidate so far, by the second round once it has begun; the earlier one of equals.

        Raises:
            ValueError: If nothing has been told yet.
        """
        if not self.history:
            raise ArgumentError("there is no best candidate before the first tell()")
        return max(self.history[len(self.candidates) :] or self.history, key=lambda item: item[1])

    def _best_of_the_first_round(self) -> list[dict[str, Option]]:
        first = self.history[: len(self.candidates)]
        return [choices for choices, _ in sorted(first, key=lambda item: -item[1])[: self.finalists]]


def distinct(draw: Callable[[], dict[str, Option]], count: int) -> list[dict[str, Option]]:
    """So many different architectures, or as many as can be found.

    Args:
        draw: Gives a random architecture.
        count: The wanted number.
    """
    found: dict[tuple[tuple[str, Option], ...], dict[str, Option]] = {}
    failures = 0  # in a row
    while len(found) < count and failures < TRIES:
        choices = draw()
        key = tuple(sorted(choices.items()))
        failures = failures + 1 if key in found else 0
        found.setdefault(key, choices)
    return list(found.values())
