"""Trainings that are validated once, when they are over."""

from __future__ import annotations

from typing import Any

from lightning_nas.search.lightning.families import Callback, pl


def unvalidated(epochs: int) -> dict[str, Any]:
    """Arguments of a Trainer that does not validate while it trains.

    Its limits stay as they are, so that the same Trainer's settings hold when the training is over.

    Args:
        epochs: Of the training.

    Example:
        >>> unvalidated(3)["check_val_every_n_epoch"]
        4
    """
    return {"check_val_every_n_epoch": epochs + 1, "val_check_interval": None, "num_sanity_val_steps": 0}


class ValidatedIfAsked(Callback):
    """Validates after every epoch all the same where a learning rate waits for a plateau of something that was logged.

    Example:
        >>> from types import SimpleNamespace
        >>> trainer = SimpleNamespace(
        ...     check_val_every_n_epoch=4, lr_scheduler_configs=[SimpleNamespace(reduce_on_plateau=True)]
        ... )
        >>> ValidatedIfAsked().on_train_start(trainer, None)
        >>> trainer.check_val_every_n_epoch
        1
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Schedules are known by now."""
        if any(schedule.reduce_on_plateau for schedule in trainer.lr_scheduler_configs):
            trainer.check_val_every_n_epoch = 1
