"""How long a step takes on this machine, and how much memory: a few steps of real training, timed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import torch

from lightning_nas.errors import JobError
from lightning_nas.search import Trainers
from lightning_nas.search.lightning.families import Callback, pl

WARM_UP = 2
"""Batches that are not counted: caches fill, loaders start."""


@dataclass(frozen=True)
class Pace:
    """What a few steps have shown.

    Args:
        train_step: Seconds per training batch, its loading counted.
        val_step: Seconds per validation batch.
        train_batches: Per epoch.
        val_batches: Per epoch.
        start: Seconds until the first batch was done: processes that read images start, caches fill.
        memory: Most bytes that were taken, of the accelerator if there is one, else of this process.

    Example:
        >>> Pace(0.5, 0.25, train_batches=20, val_batches=4, start=1.0, memory=0).epoch
        11.0
    """

    train_step: float
    val_step: float
    train_batches: int
    val_batches: int
    start: float
    memory: int

    @property
    def validation(self) -> float:
        """Seconds of one validation."""
        return self.val_step * self.val_batches

    @property
    def measurement(self) -> float:
        """Seconds to judge one network of a supernet: the statistics of BatchNorm from a dozen batches, and a validation.

        A forward pass alone takes about a third of a training step; starting the loaders takes as long again.
        """
        return self.validation + 12 * self.train_step * 2 / 3

    @property
    def epoch(self) -> float:
        """Seconds of one epoch with its validation."""
        return self.train_step * self.train_batches + self.validation


class Stopwatch(Callback):
    """Times batches from end to end, so that loading counts, and looks at the memory after each."""

    def __init__(self) -> None:
        self.train: list[float] = []
        self.val: list[float] = []
        self.memory = 0
        self._last = self._began = time.perf_counter()
        self.start = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
        """A training batch is done."""
        if not self.train:
            self.start = time.perf_counter() - self._began
        self._note(self.train, trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
        """A validation batch is done."""
        self._note(self.val, trainer)

    def _note(self, times: list[float], trainer: pl.Trainer) -> None:
        device = trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.perf_counter()
        times.append(now - self._last)
        taken = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
        self.memory, self._last = max(self.memory, taken), now


def measure(trainers: Trainers, task: pl.LightningModule, datamodule: Any, steps: int = 4) -> Pace:
    """Trains and validates a few batches.

    Args:
        trainers: Makes the Trainer.
        task: Is trained by it.
        datamodule: The data.
        steps: Batches that are counted.

    Raises:
        JobError: If there is no batch to train on, or to validate on.
    """
    watch = Stopwatch()
    with TemporaryDirectory() as place:
        trainer = trainers.silent(
            place, max_epochs=1, limit_train_batches=WARM_UP + steps, limit_val_batches=1 + steps, callbacks=[watch]
        )
        trainer.fit(task, datamodule=datamodule)
    if not watch.train or not watch.val:
        raise JobError("data: no batch to train on, or none to validate on; is batch_size larger than the data?")
    return Pace(
        _middle(watch.train, WARM_UP), _middle(watch.val, 1), len(datamodule.train_dataloader()),
        len(datamodule.val_dataloader()), watch.start, watch.memory,
    )  # fmt: skip


def _middle(times: list[float], warm_up: int) -> float:
    return median(times[warm_up:] or times)
