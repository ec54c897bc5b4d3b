"""What was seen of trainings that were cut short, and how long they would have taken whole: arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import fmean, pstdev

WARM_UP = 2
"""Batches at the start of a training that are not counted: caches fill, loaders start."""


def steady(times: Sequence[float], first: int = 1) -> list[float]:
    """The times without the first ones; all of them if there are no others.

    Example:
        >>> steady([5.0, 1.0, 1.2]), steady([5.0], 2)
        ([1.0, 1.2], [5.0])
    """
    return list(times[first:] or times)


@dataclass
class Loop:
    """Batches one after the other: a validation, a test.

    Args:
        times: Seconds of each batch that was seen, loading counted.
        batches: How many there are in all.
        seconds: From the start to the end of what was seen.
        finish: Seconds from the last batch to the end: metrics of all images, which grow with their number.
    """

    times: list[float] = field(default_factory=list)
    batches: int = 0
    seconds: float = 0.0
    finish: float = 0.0

    def full(self, devices: int = 1) -> float:
        """Seconds of all batches, shared out over so many devices.

        Example:
            >>> Loop([3.0, 1.0, 1.0], batches=10, seconds=6.0, finish=0.5).full()
            14.166666666666666
        """
        return self.start + self.rest(devices)

    @property
    def start(self) -> float:
        """Seconds that do not depend on the number of batches."""
        steps = steady(self.times)
        return max(self.seconds - self.finish - fmean(steps) * len(self.times), 0.0) if self.times else self.seconds

    def rest(self, devices: int = 1) -> float:
        """Seconds of all batches and of their metrics."""
        if not self.times:
            return 0.0
        return fmean(steady(self.times)) * ceil(self.batches / devices) + self.finish * self.batches / len(self.times)


@dataclass
class Epoch:
    """An epoch of a training, cut short.

    Args:
        times: Seconds of each training batch that was seen.
        validation: What was seen of the validation.
        seconds: From its start to that of the next one.
        resting: Whether it trained weights alone, in a search that trains something else as well in later epochs.
    """

    times: list[float] = field(default_factory=list)
    validation: Loop = field(default_factory=Loop)
    seconds: float = 0.0
    resting: bool = False

    @property
    def overhead(self) -> float:
        """Seconds beside the batches: loaders start, a checkpoint is written."""
        batches = fmean(steady(self.times)) * len(self.times) if self.times else 0.0
        return max(self.seconds - batches - self.validation.seconds + self.validation.start, 0.0)


@dataclass
class Fit:
    """A training, cut short.

    Args:
        asked: Epochs that it would have.
        batches: Training batches of an epoch.
        epochs: Those that were seen.
        most: Seconds after which it would end anyway; None if it would not.
        may_end_early: Whether a callback may end it before.
        checkpoint: Bytes of the checkpoints that stay.
        logs: Bytes that an epoch adds beside that.
        written: Bytes that the short training has left on disk.
    """

    asked: int
    batches: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    most: float | None = None
    may_end_early: bool = False
    checkpoint: int = 0
    logs: int = 0
    written: int = 0

    @property
    def seen(self) -> float:
        """Seconds of the epochs that were seen."""
        return sum(epoch.seconds for epoch in self.epochs)

    def steps(self, *, resting: bool = False) -> list[float]:
        """Seconds of steady training batches of one kind of epoch; of the other kind if that was not seen."""
        found: list[float] = []
        for kind in (resting, not resting):
            for number, epoch in enumerate(self.epochs):
                if epoch.resting == kind and epoch.times:
                    found += steady(epoch.times, 1 if number else WARM_UP)
            if found:
                break
        return found

    def epoch(self, devices: int = 1, *, resting: bool = False) -> float:
        """Seconds of a whole epoch with its validation.

        What comes beside the batches is that of the epochs after the first, as far as there are any.
        """
        steps = self.steps(resting=resting)
        if not steps:
            return 0.0
        later = self.epochs[1:] or self.epochs
        validations = [epoch.validation for epoch in later if epoch.validation.times]
        share = len(validations) / len(later)
        validation = share * fmean([one.rest(devices) for one in validations]) if validations else 0.0
        return fmean([epoch.overhead for epoch in later]) + fmean(steps) * ceil(self.batches / devices) + validation

    def full(self, devices: int = 1, warmup: int = 0) -> float:
        """Seconds of all epochs, of which the first ``warmup`` rest where such were seen."""
        first = min(warmup, self.asked) if any(epoch.resting for epoch in self.epochs) else 0
        seconds = first * self.epoch(devices, resting=True) + (self.asked - first) * self.epoch(devices)
        return seconds if self.most is None else min(seconds, self.most)

    @property
    def spread(self) -> float:
        """Standard deviation of the mean step, relative to it."""
        steps = self.steps()
        return pstdev(steps) / fmean(steps) / len(steps) ** 0.5 if len(steps) > 1 and fmean(steps) > 0 else 0.0
