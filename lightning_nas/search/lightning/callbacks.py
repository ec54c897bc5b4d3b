"""Policy over time: epochs of a strategy, freezing, drop-path, seeds, the history of the logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_nas.architecture import write_atomic
from lightning_nas.errors import ArgumentError
from lightning_nas.ops import PARAMETER_FREE, DropPath
from lightning_nas.runs.contents import Epoch, checked, read_text
from lightning_nas.search.lightning.families import Callback, pl
from lightning_nas.search.lightning.random_numbers import seed_globally
from lightning_nas.strategies import GradientStrategy


class StrategyEpochs(Callback):
    """Tells a gradient strategy which epoch it is; a search that its guard has stopped is not gone on with.

    Example:
        >>> from types import SimpleNamespace
        >>> from lightning_nas.strategies import Darts
        >>> search = SimpleNamespace(strategy=Darts(terms={"beta_decay": 50.0}), schedules_ended=False)
        >>> StrategyEpochs().on_train_epoch_start(SimpleNamespace(current_epoch=1, max_epochs=5), search)
        >>> search.strategy.terms["beta_decay"].now
        12.5
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A run that is resumed within an epoch does not start it again."""
        self.on_train_epoch_start(trainer, pl_module)
        if pl_module.strategy.stopped is not None and not pl_module.schedules_ended:
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Hands the epoch on."""
        epochs = max(trainer.max_epochs or 1, 1)
        pl_module.strategy.begin_epoch(epochs - 1 if pl_module.schedules_ended else trainer.current_epoch, epochs)


class DropPathSchedule(Callback):
    """Raises the drop-path rate linearly: ``rate * epoch / epochs``, times the ``share`` of a module.

    Args:
        rate: Rate that the last epoch comes near to.

    Example:
        >>> from types import SimpleNamespace
        >>> module, schedule = torch.nn.Sequential(DropPath()), DropPathSchedule(0.2)
        >>> schedule.on_train_epoch_start(SimpleNamespace(current_epoch=5, max_epochs=10), module)
        >>> module[0].rate
        0.1
    """

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < 1:
            raise ArgumentError(f"rate must be at least 0 and below 1, got {rate}")
        self.rate = rate

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Sets the rate of the epoch."""
        for module in pl_module.modules():
            if isinstance(module, DropPath):
                module.rate = module.share * self.rate * trainer.current_epoch / max(trainer.max_epochs or 1, 1)


class FreezeLogits(Callback):
    """Keeps the logits at rest for the first epochs, so that they judge weights that have learnt something.

    Args:
        epochs: Number of epochs without architecture steps.
        first: Number of the epoch from which on they count: that with which a stage of a search begins.

    Example:
        >>> from types import SimpleNamespace
        >>> search = SimpleNamespace(logits_frozen=False)
        >>> FreezeLogits(2).on_train_epoch_start(SimpleNamespace(current_epoch=1), search)
        >>> search.logits_frozen
        True
    """

    def __init__(self, epochs: int, *, first: int = 0) -> None:
        for name, value in (("epochs", epochs), ("first", first)):
            if value < 0:
                raise ArgumentError(f"{name} must be at least 0, got {value}")
        self.epochs, self.first = epochs, first

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A run that is resumed in the middle of an epoch does not start it again."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Freezes or releases the logits."""
        pl_module.logits_frozen = trainer.current_epoch < self.first + self.epochs


class SeedBatches(Callback):
    """Seeds all generators before every batch, from seed, rank, epoch and batch: a resumed run repeats its numbers.

    That of a strategy is one of them, and is the same on all ranks. Validations, of which a resumed run may make another one,
    disturb none.

    Args:
        seed: Of the run.

    Example:
        >>> callbacks = [SeedBatches(0)]
        >>> trainer = pl.Trainer(callbacks=callbacks, accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Seeds the first batch of a run that is resumed in the middle of an epoch."""
        progress = trainer.fit_loop.epoch_loop.batch_progress
        self._seed(trainer, pl_module, 0 if progress.is_last_batch else progress.current.ready)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Seeds the first batch of an epoch."""
        self._seed(trainer, pl_module, 0)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Seeds the next batch, its loading included."""
        self._seed(trainer, pl_module, batch_idx + 1)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Seeds the next batch again."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._seed(trainer, pl_module, trainer.fit_loop.epoch_loop.batch_progress.current.ready)

    def _seed(self, trainer: pl.Trainer, pl_module: Any, batch: int) -> None:
        strategy = getattr(pl_module, "strategy", None)
        if isinstance(strategy, GradientStrategy):
            strategy.seed_batch(_number(self.seed, trainer.current_epoch, batch))
        state = _number(self.seed, trainer.global_rank, trainer.current_epoch, batch)
        seed_globally(state)


def _number(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


class ArchitectureHistory(Callback):
    """Appends a line of JSON per epoch to a file.

    It holds the probabilities of all options, their entropy, the share of skips
    among what is decoded, the architecture itself, and what the strategy has to say (an eigenvalue, for one).

    Args:
        path: The file, ``history.jsonl`` of a run folder.

    Attributes:
        lines: What it holds, epoch by epoch.

    Example:
        >>> callbacks = [ArchitectureHistory(Path("history.jsonl"))]
        >>> trainer = pl.Trainer(callbacks=callbacks, accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.lines: list[dict[str, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Drops lines of epochs that a resumed run does again."""
        if trainer.is_global_zero and self.path.is_file():
            whole = [line for line in read_text(self.path).splitlines(keepends=True) if line.endswith("\n")]
            lines = [checked(line, Epoch, f"{self.path}, line {n}") for n, line in enumerate(whole, start=1)]
            self.lines = [line for line in lines if line["epoch"] < trainer.current_epoch]
            write_atomic(self.path, "".join(json.dumps(line) + "\n" for line in self.lines))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Writes the line of the epoch."""
        if not trainer.is_global_zero:
            return
        line: dict[str, Any] = {"epoch": trainer.current_epoch, "probabilities": {}, "entropy": {}, "skip_share": {}}
        choices = line["choices"] = pl_module.choices()
        line |= pl_module.strategy.record()
        logits = {name: group.detach().double() for name, group in pl_module.supernet.decision_logits().items()}
        for name, group in pl_module.strategy.mean(logits).items():
            p = group / group.sum(dim=-1, keepdim=True)
            line["probabilities"][name] = [[round(float(v), 6) for v in row] for row in p]
            line["entropy"][name] = float(torch.special.entr(p).sum(dim=-1).mean())
            picked = [o for decision, o in choices.items() if decision.startswith(f"{name}.") and isinstance(o, str)]
            ops = [o for o in picked if "+" not in o]
            if ops:
                line["skip_share"][name] = sum(o in PARAMETER_FREE for o in ops) / len(ops)
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
