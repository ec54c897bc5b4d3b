"""A training that is one stage of a longer one: it ends where the next one goes on."""

from __future__ import annotations

from typing import Any

from lightning_nas.runs import RunFolder
from lightning_nas.search.lightning.families import Callback, pl
from lightning_nas.strategies.gradient.stages import Span


class StageEpochs(Callback):
    """Ends a Trainer of many stages after the epochs of one, and leaves a checkpoint of that moment.

    All schedules are those of the whole: the Trainer's ``max_epochs`` counts every stage. Nothing is trained if the stage
    before has ended early.

    Args:
        span: The epochs of the stage.
        run: Its folder.

    Example:
        >>> from types import SimpleNamespace
        >>> loop = SimpleNamespace(min_epochs=8, epoch_loop=SimpleNamespace(min_steps=None))
        >>> trainer = SimpleNamespace(current_epoch=4, should_stop=False, fit_loop=loop)
        >>> StageEpochs(Span(0, 5, 10), RunFolder("mine")).on_train_epoch_end(trainer, None)
        >>> trainer.should_stop
        True
    """

    def __init__(self, span: Span, run: RunFolder) -> None:
        self.span, self.run = span, run

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A stage that was killed after its last epoch is not gone on with."""
        if not self.span.first <= trainer.current_epoch < self.span.end:
            _end(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Stops after the last epoch."""
        if trainer.current_epoch + 1 >= self.span.end:
            _end(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Writes the checkpoint that the next stage begins with, also where none is written in every epoch."""
        if self.span.end < self.span.total:
            trainer.save_checkpoint(self.run.last_checkpoint)


def _end(trainer: pl.Trainer) -> None:
    """Also before the least number of epochs or steps, which is one of the whole search."""
    trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None
    trainer.should_stop = True
