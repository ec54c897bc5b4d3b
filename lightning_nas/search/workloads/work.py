"""What a search consists of: things that are done so many times, and how each of them is done once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def nothing() -> None:
    """What there is to be prepared, mostly."""


@dataclass(frozen=True)
class Work:
    """Something that is done several times in a run.

    Doing it once is doing it as the run does, with Trainers of the job that it was made for. Whoever wants to know how long it
    takes gives it a job whose Trainers are cut short and watched; the works of a list are done in order, as later ones may use
    what earlier ones have made.

    Args:
        title: In words.
        count: How often it is done.
        once: Does it; given the number of the sample, so that different networks are seen.
        unit: What is counted, in words.
        prepare: Called before the first sample: what the run does not do, or has done by then.
        samples: How many samples say enough.
        may_end_early: Whether it may take less than that, e.g. because results are known or trials are ended.
        keeps: Whether the checkpoints of what it trains stay.
        shared: Whether several devices share its trainings.

    Example:
        >>> Work("training the supernet", 1, once=lambda number: None).count
        1
    """

    title: str
    count: int
    once: Callable[[int], object]
    unit: str = ""
    prepare: Callable[[], object] = nothing
    samples: int = 1
    may_end_early: bool = False
    keeps: bool = True
    shared: bool = True
