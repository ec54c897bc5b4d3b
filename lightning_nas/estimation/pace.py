"""How long a step takes on this machine, and how much memory: a few steps of real training, timed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from lightning_nas.errors import JobError
from lightning_nas.estimation.limits import Limits
from lightning_nas.estimation.memory import peak_memory, taken_memory
from lightning_nas.estimation.recorded import WARM_UP, Fit, steady
from lightning_nas.estimation.short import shortened
from lightning_nas.search import Trainers
from lightning_nas.search.lightning.families import pl


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
        checkpoint: Bytes of a checkpoint of the training.
        weights: Bytes of the network's weights alone.
        before: Bytes that were taken before.

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
    checkpoint: int = 0
    weights: int = 0
    before: int = 0

    @property
    def validation(self) -> float:
        """Seconds of one validation."""
        return self.val_step * self.val_batches

    def memory_at(self, share: float) -> float:
        """Bytes that are taken with so many times the pixels per batch.

        Example:
            >>> Pace(1.0, 1.0, 1, 1, start=1.0, memory=900, before=500).memory_at(0.5)
            700.0
        """
        return self.before + max(self.memory - self.before, 0) * share

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
    before = taken_memory()
    short, recorder = shortened(trainers, Limits(train=WARM_UP + steps, val=1 + steps, epochs=1))
    with TemporaryDirectory() as place:
        short.training(place, 1).fit(task, datamodule=datamodule)
    fit = recorder.fits[0] if recorder.fits else Fit(1)
    if not fit.epochs or not fit.epochs[0].times or not fit.epochs[0].validation.times:
        raise JobError("data: no batch to train on, or none to validate on; is batch_size larger than the data?")
    epoch = fit.epochs[0]
    return Pace(
        fmean(fit.steps()), fmean(steady(epoch.validation.times)), fit.batches, epoch.validation.batches,
        recorder.start, peak_memory().largest, fit.checkpoint, weight_bytes(task),
        before,
    )  # fmt: skip


def weight_bytes(module: Any) -> int:
    """Bytes of all tensors of a module's state.

    Example:
        >>> import torch
        >>> weight_bytes(torch.nn.Linear(3, 2))
        32
    """
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
