"""An exponential average of the weights, which is what a training leaves."""

from __future__ import annotations

from typing import Any

from lightning_nas.search.lightning.families import pl


class AveragedWeights(pl.callbacks.EMAWeightAveraging):
    """Lightning's average, also where a resumed training finds nothing left to do: then Lightning would leave the last weights.

    Args:
        decay: Share of the average that stays, per step.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(decay=decay)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """The weights of the module become the average, once more."""
        self._copy_average_to_current(pl_module)
