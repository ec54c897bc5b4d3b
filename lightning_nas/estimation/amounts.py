"""An estimate: the parts of a command, each with its time, and what it takes of memory and disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lightning_nas.estimation.memory import Memory

FLOOR = 0.25
"""How far a part may be off whatever its steps have shown, relative to it: the spread of estimates beside real runs."""


@dataclass(frozen=True)
class Part:
    """One kind of work of a command.

    Args:
        title: In words.
        count: How often it is done.
        unit: What is counted, in words; empty where it is done once.
        seconds: Of all of it.
        spread: How far that may be off, relative to it.
        kept: Bytes on disk that stay.
        passing: Bytes on disk beside these while it is done.
        may_end_early: Whether it may take less.
        detail: How it was found, in words.
    """

    title: str
    count: int
    unit: str
    seconds: float
    spread: float = 0.0
    kept: int = 0
    passing: int = 0
    may_end_early: bool = False
    detail: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """Seconds at least and at most, as far as one can tell; what may end early may take next to nothing.

        Example:
            >>> [round(end) for end in Part("training", 1, "", 100.0).range]
            [75, 125]
            >>> [round(end) for end in Part("trials", 5, "trials", 100.0, 0.3, may_end_early=True).range]
            [35, 130]
        """
        off = max(self.spread, FLOOR)
        low = self.seconds * (1 - min(off, 1.0))
        return (low / 2 if self.may_end_early else low), self.seconds * (1 + off)


@dataclass(frozen=True)
class Estimate:
    """What a command will take.

    Args:
        parts: In the order in which they are done.
        memory: That is taken at most.
        devices: That share the trainings.
        notes: What was assumed, in words.

    Example:
        >>> estimate = Estimate([Part("training", 1, "", 60.0, kept=5, passing=3), Part("test", 1, "", 6.0, passing=9)])
        >>> estimate.seconds, estimate.disk
        (66.0, 14)
    """

    parts: Sequence[Part]
    memory: Memory = field(default_factory=Memory)
    devices: int = 1
    notes: Sequence[str] = ()

    @property
    def seconds(self) -> float:
        """Of everything."""
        return sum(part.seconds for part in self.parts)

    @property
    def range(self) -> tuple[float, float]:
        """Of everything, at least and at most: parts are off together where the machine is slower."""
        ranges = [part.range for part in self.parts]
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)

    @property
    def disk(self) -> int:
        """Bytes that there must be: what stays, and the most of what passes."""
        kept, most = 0, 0
        for part in self.parts:
            kept += part.kept
            most = max(most, kept + part.passing)
        return most

    @property
    def kept(self) -> int:
        """Bytes that stay on disk."""
        return sum(part.kept for part in self.parts)
