"""Notices a loss term that does not fall: dead outputs, a wrong learning rate, labels that say nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn

EPOCHS = 3
"""Epochs in a row after which a term that stands still is named."""

TOLERANCE = 2e-3
"""Share of its worst value within which a term stands still."""


class LossWatch:
    """Warns, once per term, when a term of the loss stands still at the worst value it ever had.

    A sum of terms hides this: boxes that are not learnt at all cost a detector one number among others.

    Args:
        epochs: Epochs in a row that the term has to stand still.
        tolerance: Share of its worst value by which it may be better and still counts as standing still.
    """

    def __init__(self, epochs: int = EPOCHS, tolerance: float = TOLERANCE) -> None:
        self.epochs, self.tolerance = epochs, tolerance
        self._history: dict[str, list[float]] = {}
        self._named: set[str] = set()

    def epoch(self, terms: Mapping[str, float]) -> list[str]:
        """Takes the means of an epoch.

        Returns:
            The terms that are named now for the first time.
        """
        found = []
        for name, value in terms.items():
            values = self._history.setdefault(name, [])
            values.append(value)
            worst = max(values)
            still = all(value >= worst * (1 - self.tolerance) for value in values[-self.epochs :])
            if len(values) >= self.epochs and worst > 0 and still and name not in self._named:
                self._named.add(name)
                found.append(name)
                rank_zero_warn(
                    f"{name} stands still at its worst value, {value:.4g}, for {self.epochs} epochs: nothing is learnt from "
                    "this term. Look at the learning rate (task.lr), the labels, and whether gradients arrive"
                )
        return found

    def epoch_of(self, module: pl.LightningModule) -> None:
        """Takes what a module has logged as ``train/...`` for the epoch that ends."""
        logged = module.trainer.callback_metrics
        self.epoch({name: float(value) for name, value in logged.items() if name.startswith("train/")})
