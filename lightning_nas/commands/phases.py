"""Where a run stands: each of its phases is named with its place among all, and what is left of the whole run in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only

from lightning_nas.runs.spent import Spent

SAYS_EVERY_S = 600
"""Within a phase the time that is left is said once, and again after so many seconds."""


@dataclass
class _Measured:
    """Of a phase: what share of it had been done when, at the first and at the last report."""

    first: tuple[float, float]
    last: tuple[float, float]
    open_end: bool

    @property
    def seconds(self) -> float | None:
        """Of the whole phase."""
        (share, began), (reached, now) = self.first, self.last
        return (now - began) / (reached - share) if reached > share else None


class Phases:
    """Says what begins, e.g. ``3 of 6: training random 1, about 4 min left in all``.

    The time that is left comes from what was measured: the phase under way from the share of it that was done since the first
    report, a later one from the mean of the finished phases of its kind, or from the phase under way. Where a kind was not
    measured yet, only what is known is said: ``more than 4 min left in all``. A phase without a report did nothing, as its
    result was there.

    Args:
        titles: Of all phases, in order. The first word is the kind.
        record: File that says how many seconds each phase has taken, over all attempts; None for none.
        clock: Gives seconds.
    """

    def __init__(
        self, titles: Sequence[str], record: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.titles = tuple(titles)
        self.record, self.clock = record, clock
        self._spent = Spent(record) if record is not None else None
        self._place = -1
        self._measured: _Measured | None = None
        self._finished: dict[str, list[float]] = {}
        self._says_next = 0.0

    @rank_zero_only
    def begin(self, title: str) -> None:
        """Says that a phase begins; the one before has ended.

        Raises:
            ValueError: If there is none of that title.
        """
        place = self.titles.index(title)
        if self._measured is not None:
            self._measured.last = (1.0, self.clock())
            seconds = self._measured.seconds
            if seconds is not None:
                self._finished.setdefault(_kind(self.titles[self._place]), []).append(seconds)
        self._place, self._measured = place, None
        if self._spent is not None:
            self._spent.begin(title, self.clock())
        self._say("")

    @rank_zero_only
    def end(self) -> None:
        """The last phase has ended."""
        if self._spent is not None:
            self._spent.end(self.clock())

    @rank_zero_only
    def progress(self, share: float, *, open_end: bool = False) -> None:
        """Says once, and again after :data:`SAYS_EVERY_S`, how much of the phase and how much time is left.

        Args:
            share: Of the phase that is done, from 0 to 1. The first report says where it starts: a resumed phase not at 0.
            open_end: Whether work of unknown length follows in the same phase.
        """
        now = self.clock()
        if self._spent is not None:
            self._spent.begin(self.titles[self._place], now)  # so that little is lost when a run is killed
        if self._measured is None:
            self._measured = _Measured((share, now), (share, now), open_end)
            self._says_next = now
            return
        self._measured.last, self._measured.open_end = (share, now), open_end
        if share < 1 and now >= self._says_next:
            self._says_next = now + SAYS_EVERY_S
            self._say(f", {share:.0%} done")

    def left(self) -> tuple[float, bool]:
        """Seconds until the whole run has ended, as far as they can be known, and whether that is all."""
        kinds = [_kind(title) for title in self.titles[self._place :]]
        known = {kind: sum(seconds) / len(seconds) for kind, seconds in self._finished.items()}
        total, complete = 0.0, True
        now = self._measured
        if now is not None and now.seconds is not None:
            total, complete = now.seconds * (1 - now.last[0]), not now.open_end
            if complete:
                known.setdefault(kinds[0], now.seconds)
        elif kinds[0] in known:
            total = known[kinds[0]] * (1 - now.last[0] if now is not None else 1)
        else:
            complete = False
        for kind in kinds[1:]:
            total += known.get(kind, 0.0)
            complete = complete and kind in known
        return total, complete

    def _say(self, done: str) -> None:
        seconds, complete = self.left()
        rest = f", {'about' if complete else 'more than'} {in_words(seconds)} left in all" if seconds >= 1 else ""
        print(f"{self._place + 1} of {len(self.titles)}: {self.titles[self._place]}{done}{rest}", flush=True)


def in_words(seconds: float) -> str:
    """A time with two digits or so.

    Example:
        >>> in_words(40), in_words(250), in_words(12_600), in_words(200_000)
        ('40 s', '4 min', '3 h 30 min', '2 d 7 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 36 else f"{hours // 24} d {hours % 24} h"


def _kind(title: str) -> str:
    return title.partition(" ")[0]
