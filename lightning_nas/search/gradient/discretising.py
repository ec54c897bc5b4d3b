"""Selection by removal, while a supernet is trained on: a decision at the start of every so many epochs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch

from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.lightning.distributed import average_over_ranks
from lightning_nas.search.lightning.families import Callback, pl
from lightning_nas.search.lightning.random_numbers import seed_globally
from lightning_nas.strategies.gradient.selection import Removal


class Discretising(Callback):
    """Asks what the removal of an option costs, and lets the selection decide.

    Args:
        removal: The selection.
        halves: A data module of both halves; the architecture half judges.
    """

    def __init__(self, removal: Removal, halves: Any) -> None:
        self.removal, self.halves = removal, halves

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Lowers the learning rates of the weights; those of a resumed training come from its checkpoint."""
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                for name in ("lr", "initial_lr"):
                    if name in group:
                        group[name] *= self.removal.rate
        for config in trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler
            if hasattr(scheduler, "base_lrs"):
                scheduler.base_lrs = [rate * self.removal.rate for rate in scheduler.base_lrs]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Decides, if it is time and has not been done."""
        step, rest = divmod(trainer.current_epoch, self.removal.tune_epochs)
        if rest == 0 and step < self.removal.steps:
            for question in self.removal.questions(step):
                removals = self.removal.removals(question)
                losses = []
                for asked in removals if len(removals) > 1 else ():
                    self.removal.asked = asked
                    try:
                        losses.append(self.loss(pl_module, step))
                    finally:
                        self.removal.asked = None
                self.removal.answer(question, losses or [0.0])

    def loss(self, module: SearchModule, step: int) -> float:
        """The mean loss of the architecture half, with the statistics of its batches.

        Args:
            module: Is searched, under a Trainer.
            step: All losses of a step draw the same numbers.
        """
        total, count = 0.0, 0
        module.strategy.begin_step("architecture")
        module.strategy.averaged(True)
        try:
            with module.unseen(), pl.utilities.seed.isolate_rng(), torch.no_grad():
                seed_globally(self.removal.seed + step)
                for index, batch in enumerate(self._batches()):
                    loss = module.loss_of(module.moved(batch), "architecture", index)
                    if loss is not None:
                        total, count = total + float(loss), count + 1
        finally:
            module.strategy.averaged(False)
            module.strategy.begin_step("weights")
        mean = torch.tensor([total / max(count, 1)], dtype=torch.float64, device=module.device)
        return float(average_over_ranks([mean])[0])

    def _batches(self) -> Iterator[Any]:
        for pair, _, _ in islice(iter(self.halves.train_dataloader()), self.removal.batches):
            yield pair["architecture"]
