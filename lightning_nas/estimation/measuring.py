"""From what there is to be done to how long it takes: each kind of work is done in short, and extrapolated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean, pstdev

from lightning_nas.estimation import short
from lightning_nas.estimation.amounts import Part
from lightning_nas.estimation.memory import peak_memory
from lightning_nas.estimation.recorded import Fit
from lightning_nas.estimation.short import Recorder, folder_bytes
from lightning_nas.search.workloads import Work

SECONDS = 15.0
"""After which no more samples are taken."""


def measured(
    works: Iterable[Work],
    recorder: Recorder,
    folder: Path,
    *,
    devices: int = 1,
    warmup: int = 0,
    begin: Callable[[str], None] = lambda title: None,
) -> list[Part]:
    """Does each work in short.

    Args:
        works: In order, made for a job whose Trainers are cut short.
        recorder: Sees what these do.
        folder: Of that job.
        devices: Number of devices that will share trainings and validations.
        warmup: Epochs of a search in which weights alone are trained.
        begin: Told what is measured now.
    """
    parts = []
    for work in works:
        begin(work.title)
        parts.append(_part(work, recorder, folder, devices if work.shared else 1, warmup))
    return parts


def _part(work: Work, recorder: Recorder, folder: Path, devices: int, warmup: int) -> Part:
    seconds: list[float] = []
    fits: list[Fit] = []
    work.prepare()
    before, began = folder_bytes(folder), short.clock()
    while len(seconds) < min(work.samples, work.count) and (not seconds or short.clock() - began < SECONDS):
        recorder.clear()
        start = short.clock()
        work.once(len(seconds))
        wall = short.clock() - start
        seconds.append(extrapolated(wall, recorder, devices, warmup))
        fits += recorder.fits
        recorder.memory |= peak_memory()
    samples = len(seconds)
    written = max(folder_bytes(folder) - before - sum(fit.written for fit in fits), 0) / samples
    logs = sum(fit.logs * fit.asked for fit in fits) / samples
    checkpoints = sum(fit.checkpoint for fit in fits) / samples
    kept = work.count * (written + logs + (checkpoints if work.keeps else 0))
    return Part(
        work.title, work.count, work.unit, _total(work, seconds), _spread(seconds, fits), round(kept),
        round(max((fit.checkpoint for fit in fits), default=0) * (1 if work.keeps else 2)),
        work.may_end_early or any(fit.may_end_early for fit in fits), _detail(work, samples, fits),
    )  # fmt: skip


def extrapolated(wall: float, recorder: Recorder, devices: int = 1, warmup: int = 0) -> float:
    """Seconds of a whole sample: its trainings, validations and tests at full length, all else as it was.

    Args:
        wall: Seconds that it has taken, cut short.
        recorder: Has seen it.
        devices: Number of devices that will share it.
        warmup: Epochs of a search in which weights alone are trained.
    """
    fits = sum(fit.full(devices, warmup) - fit.seen for fit in recorder.fits)
    loops = sum(loop.full(devices) - loop.seconds for loop in recorder.loops)
    return max(wall + fits + loops, 0.0)


def _total(work: Work, seconds: list[float]) -> float:
    """Where everything was done it is known; the first of several samples may hold what comes once, so it counts once."""
    if len(seconds) == 1 or len(seconds) == work.count:
        return work.count * fmean(seconds)
    return seconds[0] + (work.count - 1) * fmean(seconds[1:])


def _spread(seconds: list[float], fits: list[Fit]) -> float:
    """Of the samples, and of the steps within them."""
    own = pstdev(seconds) / fmean(seconds) if len(seconds) > 1 and fmean(seconds) > 0 else 0.0
    return min(own / max(len(seconds), 1) ** 0.5 + max((fit.spread for fit in fits), default=0.0), 0.9)


def _detail(work: Work, samples: int, fits: list[Fit]) -> str:
    epochs = sum(fit.asked for fit in fits) // samples
    if fits:
        steps = sum(len(epoch.times) for fit in fits for epoch in fit.epochs)
        each = f"{epochs} epochs of {max(fit.batches for fit in fits)} steps"
        return f"{each}{' each' if work.count > 1 else ''}; from {steps} steps"
    return f"from {samples}" if work.count > samples else "done once"
