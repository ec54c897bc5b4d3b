"""A training whose numbers are no numbers any more ends with an error, not with a result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.errors import NotFiniteError
from lightning_nas.search.lightning.families import Callback, pl

EVERY = 50
"""Batches after which losses are looked at together: looking makes a GPU wait."""


class FiniteTraining(Callback):
    """Stops a training with an error when a loss or a weight is not finite.

    Losses of training are looked at after every :data:`EVERY` batches and at the end of an epoch, weights at the end of an
    epoch, before its checkpoint is written, so that the last checkpoint is one of finite weights. Of validation and test it is
    what was logged with ``loss`` in its name: accuracy and the like are numbers even when all outputs are NaN.
    """

    def __init__(self) -> None:
        self._losses: list[tuple[int, Tensor]] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Forgets the batches of an epoch that was broken off."""
        self._losses = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Takes the loss of a batch.

        Raises:
            FloatingPointError: If one of the last losses is not finite.
        """
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            self._losses.append((batch_idx, loss.detach()))
        if len(self._losses) >= EVERY:
            self._check_losses(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Looks at the losses that are left and at all weights.

        Raises:
            FloatingPointError: If one is not finite.
        """
        self._check_losses(trainer)
        parameters = [p.detach() for p in pl_module.parameters() if p.is_floating_point()]
        if parameters and not bool(torch.stack([p.isfinite().all() for p in parameters]).all()):
            raise NotFiniteError(f"weights are not finite after epoch {trainer.current_epoch}{_REMEDY}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Looks at the losses that were logged, before it at those of the training of which it is part.

        Raises:
            FloatingPointError: If one is not finite.
        """
        if not trainer.sanity_checking:
            self._check_losses(trainer)
            _check_logged(trainer)

    def on_test_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Looks at the logged losses.

        Raises:
            FloatingPointError: If one is not finite.
        """
        _check_logged(trainer)

    def _check_losses(self, trainer: pl.Trainer) -> None:
        losses, self._losses = self._losses, []
        if not losses or bool(torch.stack([loss.isfinite().all() for _, loss in losses]).all()):
            return
        index, loss = next((index, loss) for index, loss in losses if not bool(loss.isfinite().all()))
        raise NotFiniteError(f"the loss is {float(loss)} in epoch {trainer.current_epoch}, batch {index}{_REMEDY}")


_REMEDY = "; lower the learning rate or clip the gradients (gradient_clip_val)"


def _check_logged(trainer: pl.Trainer) -> None:
    for name, value in losses_of(trainer.callback_metrics).items():
        if not math.isfinite(value):
            raise NotFiniteError(f"{name} is {value} after epoch {trainer.current_epoch}{_REMEDY}")


def losses_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What is called a loss, of everything that was logged.

    Example:
        >>> losses_of({"val/loss": 0.5, "val/accuracy": 0.9})
        {'val/loss': 0.5}
    """
    return {name: float(value) for name, value in metrics.items() if "loss" in name.lower()}
