"""The Trainers of a search: with loggers, checkpoints and a progress bar in a folder, or silent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_nas.search.lightning.callbacks import SeedBatches
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.finite import FiniteTraining
from lightning_nas.search.lightning.judging import JudgedByHeadline
from lightning_nas.search.lightning.persistence import ContinuedCSVLogger, LastCheckpoint
from lightning_nas.search.lightning.validation import ValidatedIfAsked, unvalidated


def tensorboard(folder: Path) -> Sequence[pl.loggers.Logger]:
    """TensorBoard's events, written into the folder of a training."""
    return [pl.loggers.TensorBoardLogger(str(folder), name=None, version="")]


def no_callbacks(folder: Path) -> Sequence[pl.Callback]:
    """None beside those that every training has."""
    return []


@dataclass(frozen=True)
class Trainers:
    """Makes every Trainer of a search alike.

    Args:
        arguments: What all of them get, e.g. ``{"accelerator": "gpu", "devices": 2, "strategy": "ddp"}``.
        make: Called with these and with what follows from the phase; gives a Trainer.
        callbacks: Folder of a training -> callbacks of its own, beside those that every training has.
        loggers: Folder of a training -> loggers of its own, beside ``metrics.csv``, which every training writes.

    Example:
        >>> trainers = Trainers({"accelerator": "cpu", "limit_train_batches": 10})
        >>> trainers.silent("runs/mine").limit_train_batches
        10
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    make: Callable[..., pl.Trainer] = pl.Trainer
    callbacks: Callable[[Path], Sequence[pl.Callback]] = no_callbacks
    loggers: Callable[[Path], Sequence[pl.loggers.Logger]] = tensorboard

    def training(
        self,
        folder: str | os.PathLike[str],
        epochs: int,
        callbacks: Sequence[pl.Callback] = (),
        max_time: str | None = None,
        *,
        progress_bar: bool = True,
        kept: bool = False,
        validated: bool = True,
        **changed: Any,
    ) -> pl.Trainer:
        """A Trainer that writes into a folder, from which the training can go on.

        Args:
            folder: Of the training.
            epochs: Number of epochs.
            callbacks: Beside those that every training has.
            max_time: Budget of wall time, DD:HH:MM:SS, over all attempts.
            progress_bar: Whether to show one.
            kept: Whether it is a network that is kept as it was at its best: callbacks that judge it by the headline, such as
                :class:`~lightning_nas.search.BestCheckpoint`, take part.
            validated: Whether it is validated while it trains; if not, only where its learning rate waits for a plateau.
            changed: Arguments that win over all others.
        """
        place = Path(folder)
        if not validated:
            callbacks, changed = [*callbacks, ValidatedIfAsked()], {**unvalidated(epochs), **changed}
        own = [c for c in self.callbacks(place) if kept or not isinstance(c, JudgedByHeadline)]
        bar = [pl.callbacks.RichProgressBar()] if progress_bar else []
        arguments = {
            **self.arguments,
            "max_epochs": epochs,
            "logger": [ContinuedCSVLogger(place), *self.loggers(place)],
            "callbacks": [
                FiniteTraining(), *callbacks, *own, LastCheckpoint(place), pl.callbacks.Timer(max_time), *bar,
            ],
            "enable_progress_bar": progress_bar,
            "default_root_dir": str(place),
            "enable_model_summary": False,
        }  # fmt: skip
        return self.make(**{**arguments, **changed})

    def of_paths(
        self,
        folder: str | os.PathLike[str],
        epochs: int,
        callbacks: Sequence[pl.Callback],
        max_time: str | None = None,
        *,
        seed: int,
        **changed: Any,
    ) -> pl.Trainer:
        """A Trainer for a supernet of which every batch trains one path: most weights get no gradient.

        Args:
            folder: Of the training.
            epochs: Number of epochs.
            callbacks: Beside those that every training has.
            max_time: Budget of wall time, DD:HH:MM:SS, over all attempts.
            seed: Of what a batch draws.
            changed: Arguments that win over all others.
        """
        changed = {**self.unused_parameters, **changed}
        return self.training(folder, epochs, [SeedBatches(seed), *callbacks], max_time, **changed)

    @property
    def unused_parameters(self) -> dict[str, Any]:
        """What has to change where a forward pass leaves weights unused, which DDP must be told."""
        ddp = self.arguments.get("strategy") == "ddp"
        return {"strategy": "ddp_find_unused_parameters_true"} if ddp else {}

    def silent(self, folder: str | os.PathLike[str], **changed: Any) -> pl.Trainer:
        """A Trainer for validation in a loop that shows its own progress: it writes nothing.

        Args:
            folder: Of the run.
            changed: Arguments that win over all others.
        """
        quiet = {
            "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
            "enable_model_summary": False, "default_root_dir": str(folder),
        }  # fmt: skip
        return self.make(**{**self.arguments, **quiet, **changed})
