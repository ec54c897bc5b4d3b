"""The doctor while a search goes on: a collapse is said when it is seen, not when it is over."""

from __future__ import annotations

from typing import Any

from lightning_nas.search.doctor.diagnosis import diagnose
from lightning_nas.search.doctor.signs import Signs
from lightning_nas.search.lightning.callbacks import ArchitectureHistory
from lightning_nas.search.lightning.families import Callback, pl


class DoctorVisits(Callback):
    """Says once that a search collapses.

    Args:
        history: Of the search; it comes before this one among the callbacks.

    Attributes:
        said: What was said; None so far.

    Example:
        >>> from pathlib import Path
        >>> history = ArchitectureHistory(Path("history.jsonl"))
        >>> callbacks = [history, DoctorVisits(history)]
        >>> trainer = pl.Trainer(callbacks=callbacks, accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    def __init__(self, history: ArchitectureHistory) -> None:
        self.history = history
        self.said: str | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Looks at the epochs so far."""
        if self.said is not None or not trainer.is_global_zero or pl_module.logits_frozen:
            return
        diagnosis = diagnose(Signs.of(self.history.lines))
        if diagnosis.word == "collapsing":
            self.said = f"doctor, in epoch {trainer.current_epoch}: {diagnosis.head} ({diagnosis.reason})"
            pl.utilities.rank_zero_info(self.said)
