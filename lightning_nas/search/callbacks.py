"""Policy over time: temperature, drop-path, seeds of epochs, the history of the logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from lightning_nas.ops import PARAMETER_FREE, DropPath
from lightning_nas.search.module import SearchModule


class TemperatureSchedule(pl.Callback):
    """Lowers a strategy's ``tau`` linearly from ``tau_start`` to ``tau_end`` over the epochs; others are left alone."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Sets the temperature of the epoch."""
        strategy = pl_module.strategy
        if hasattr(strategy, "tau_start"):
            last = max((trainer.max_epochs or 1) - 1, 1)
            progress = min(trainer.current_epoch / last, 1.0)
            strategy.tau = strategy.tau_start + (strategy.tau_end - strategy.tau_start) * progress


class DropPathSchedule(pl.Callback):
    """Raises the drop-path rate linearly: ``rate * epoch / epochs``.

    Args:
        rate: Rate that the last epoch comes near to.
    """

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1, got {rate}")
        self.rate = rate

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Sets the rate of the epoch."""
        for module in pl_module.modules():
            if isinstance(module, DropPath):
                module.rate = self.rate * trainer.current_epoch / max(trainer.max_epochs or 1, 1)


class SeedEpochs(pl.Callback):
    """Seeds all generators anew at the start of an epoch, from seed and epoch: a resumed run repeats the same numbers.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Seeds Python, NumPy and torch."""
        state = np.random.SeedSequence([self.seed, trainer.current_epoch]).generate_state(1)
        pl.seed_everything(int(state[0]), workers=True, verbose=False)


class ArchitectureHistory(pl.Callback):
    """Appends the probabilities of all options to a file, one line of JSON per epoch.

    Args:
        path: The file, ``history.jsonl`` of a run folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Drops lines of epochs that a resumed run does again."""
        if trainer.is_global_zero and self.path.is_file():
            lines = [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]
            kept = [line for line in lines if line["epoch"] < trainer.current_epoch]
            self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Writes the line of the epoch."""
        assert isinstance(pl_module, SearchModule)
        if not trainer.is_global_zero:
            return
        line: dict[str, Any] = {"epoch": trainer.current_epoch, "probabilities": {}, "entropy": {}, "skip_share": {}}
        choices = pl_module.architecture().components[pl_module.supernet.space.role].choices
        for name, group in pl_module.supernet.logits.items():
            p = group.detach().double().softmax(dim=-1)
            line["probabilities"][name] = [[round(float(v), 6) for v in row] for row in p]
            line["entropy"][name] = float(torch.special.entr(p).sum(dim=-1).mean())
            picked = [o for decision, o in choices.items() if decision.startswith(name) and isinstance(o, str)]
            ops = [o for o in picked if "+" not in o]
            line["skip_share"][name] = sum(o in PARAMETER_FREE for o in ops) / max(len(ops), 1)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
