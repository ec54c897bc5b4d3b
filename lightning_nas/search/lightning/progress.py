"""How far a search is, for whoever wants to know."""

from __future__ import annotations

from typing import Any, Protocol

from lightning_nas.search.lightning.families import Callback, pl


class Progress(Protocol):
    """Told how much of a search, or of a training, is done."""

    def __call__(self, share: float, *, open_end: bool = False) -> None:
        """Takes a report.

        Args:
            share: What is done, from 0 to 1. The first report says where it starts: what was resumed not at 0.
            open_end: Whether work of unknown length follows, e.g. an evolution after the training of a supernet.
        """


def unwatched(share: float, *, open_end: bool = False) -> None:
    """Nobody wants to know."""


class ReportedEpochs(Callback):
    """Reports the epochs of a training.

    Args:
        progress: Who is told.
        open_end: Whether work of unknown length follows.
    """

    def __init__(self, progress: Progress, *, open_end: bool = False) -> None:
        self.progress, self.open_end = progress, open_end

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A resumed training does not start at 0."""
        self._report(trainer, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """One more epoch is done."""
        self._report(trainer, trainer.current_epoch + 1)

    def _report(self, trainer: pl.Trainer, epochs: int) -> None:
        self.progress(epochs / max(trainer.max_epochs or 1, 1), open_end=self.open_end)
