"""Training on sampled paths of a supernet."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.families import Callback, is_ddp, pl
from lightning_nas.search.lightning.privates import finds_unused_parameters
from lightning_nas.spaces import find_supernets


class SampledPaths(Callback):
    """Activates one architecture, drawn uniformly, for every training batch; the task knows nothing of it.

    The draw follows from seed, epoch and batch alone: all ranks draw the same, and a resumed run repeats it. Validation
    within a training sees the path of the last batch.

    Args:
        seed: Of the draws.

    Example:
        >>> callbacks = [SampledPaths(seed=0)]
        >>> trainer = pl.Trainer(callbacks=callbacks, accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ArgumentError(f"seed must be at least 0, got {seed}")
        self.seed = seed

    def setup(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        """Checks that DDP knows of unused parameters."""
        if stage == "fit":
            require_unused_parameters(trainer)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Draws the path of the batch."""
        state = int(np.random.SeedSequence([self.seed, trainer.current_epoch, batch_idx]).generate_state(1)[0])
        rng = random.Random(state)
        for supernet in find_supernets(pl_module):
            supernet.activate(supernet.space.sample(rng))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """All paths are mixed again."""
        for supernet in find_supernets(pl_module):
            supernet.activate(None)


def require_unused_parameters(trainer: pl.Trainer) -> None:
    """Checks that a Trainer can train paths: each leaves most weights unused.

    Raises:
        ValueError: If it uses DDP and DDP has not been told.
    """
    strategy: Any = trainer.strategy
    if is_ddp(strategy) and not finds_unused_parameters(strategy):
        raise ArgumentError(
            "a training on sampled paths leaves parameters unused, which DDP has to be told: "
            "use Trainer(strategy='ddp_find_unused_parameters_true')"
        )
