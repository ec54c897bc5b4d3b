"""Trainers that are cut short and watched: a few batches and epochs of whatever is trained with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from lightning_nas.estimation.limits import Limits, each_loader, length_of, limited
from lightning_nas.estimation.memory import Memory, peak_memory
from lightning_nas.estimation.recorded import WARM_UP, Epoch, Fit, Loop
from lightning_nas.runs import RunFolder
from lightning_nas.search import StopWithoutRise, Trainers
from lightning_nas.search.lightning.families import FAMILIES, Callback, pl

clock: Callable[[], float] = time.perf_counter


@dataclass
class Recorder:
    """What was seen.

    Attributes:
        fits: Of every training.
        loops: Of every validation outside of a training, and every test.
        memory: What was taken at most.
        start: Seconds from the start of the first training to the end of its first batch.
    """

    fits: list[Fit] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    start: float = 0.0

    def clear(self) -> None:
        """Forgets trainings and loops."""
        self.fits.clear()
        self.loops.clear()


def shortened(trainers: Trainers, limits: Limits) -> tuple[Trainers, Recorder]:
    """Trainers that do less and are watched; nothing shows progress.

    Args:
        trainers: Make the whole trainings.
        limits: How much is left of these.
    """
    recorder = Recorder()

    def make(**arguments: Any) -> pl.Trainer:
        watch = Stopwatch(recorder, limits, arguments)
        bars = tuple(family.callbacks.ProgressBar for family in FAMILIES)
        callbacks = [one for one in arguments.get("callbacks") or () if not isinstance(one, bars)]
        asked = arguments.get("max_epochs")
        changed = {
            "callbacks": [watch, *callbacks], "enable_progress_bar": False, "devices": limits.device, "num_nodes": 1,
            "max_epochs": None if asked is None else min(asked, limits.epochs),
            "limit_train_batches": watch.limit("train"), "limit_val_batches": watch.limit("val"),
            "limit_test_batches": watch.limit("test"),
        }  # fmt: skip
        strategy = arguments.get("strategy", limits.asked.get("strategy"))
        if isinstance(strategy, str) and strategy.startswith("ddp"):
            changed["strategy"] = "auto"
        return trainers.make(**{**arguments, **changed})

    return replace(trainers, make=make), recorder


class Stopwatch(Callback):
    """Times batches from end to end, so that loading counts, and looks at the memory.

    Args:
        recorder: Is told.
        limits: Of what is done.
        arguments: Of the whole Trainer.
    """

    def __init__(self, recorder: Recorder, limits: Limits, arguments: Mapping[str, Any]) -> None:
        self.recorder, self.limits, self.arguments = recorder, limits, arguments
        self._began = self._last = clock()
        self._fit: Fit | None = None
        self._epoch: Epoch | None = None
        self._epoch_began = self._loop_began = 0.0
        self._loop = Loop()

    def limit(self, kind: str) -> int | float:
        """Batches that the short Trainer sees."""
        few, asked = int(getattr(self.limits, kind)), self._asked(kind)
        return few if asked is None or isinstance(asked, float) else min(few, asked)

    def _asked(self, kind: str) -> int | float | None:
        name = "limit_{}_batches".format(kind)  # noqa: UP032 (a piece of it is a name that Lightning keeps to itself)
        found: int | float | None = self.arguments.get(name, self.limits.asked.get(name))
        return found

    def _all(self, kind: str, loaders: Any) -> int:
        """Batches that the whole Trainer sees."""
        return sum(limited(length_of(one), self._asked(kind)) for one in each_loader(loaders))

    # ---- a training -----------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A training begins."""
        self._fit = Fit(
            int(self.arguments.get("max_epochs") or 1), most=_most(trainer), may_end_early=_may_end(trainer)
        )
        self.recorder.fits.append(self._fit)
        self._fit_began = clock()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """An epoch begins; the one before is over."""
        self._close()
        self._epoch = Epoch()
        if self._fit is not None:
            self._fit.epochs.append(self._epoch)
        self._last = self._epoch_began = clock()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *arguments: Any, **named: Any) -> None:
        """A training batch is done."""
        if self._epoch is None or self._fit is None:
            return
        self._note(self._epoch.times, trainer)
        self._epoch.resting = bool(getattr(pl_module, "logits_frozen", False))
        if not self.recorder.start:
            self.recorder.start = self._last - self._began
        late = self._last - self._fit_began > self.limits.seconds
        if late and not self._epoch.resting and (len(self._fit.epochs) > 1 or len(self._epoch.times) > WARM_UP + 1):
            trainer.should_stop = True  # what is searched has been seen, too

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A training is over."""
        fit, self._fit = self._fit, None
        if fit is None:
            return
        self._close()
        self._epoch = None
        fit.batches = self._all("train", trainer.train_dataloader)
        for epoch in fit.epochs:
            epoch.validation.batches = self._all("val", trainer.val_dataloaders) if epoch.validation.times else 0
        place = RunFolder(trainer.default_root_dir)
        before = place.checkpoint_before.stat().st_size if place.checkpoint_before.is_file() else 0
        fit.checkpoint = folder_bytes(place.checkpoints) - before  # which is gone when the training has ended
        logs = sum(file.stat().st_size for file in place.path.glob("*") if file.is_file())
        fit.logs, fit.written = logs // max(len(fit.epochs), 1), logs + folder_bytes(place.checkpoints)
        self.recorder.memory |= peak_memory()

    def _close(self) -> None:
        if self._epoch is not None:
            self._epoch.seconds = clock() - self._epoch_began

    # ---- a validation or a test -----------------------------------------------------------------------------------------

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A validation begins."""
        self._begin_loop()

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: Any, *arguments: Any, **named: Any) -> None:
        """A validation batch is done."""
        self._note(self._loop.times, trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A validation is over."""
        self._end_loop("val", trainer)

    def on_test_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A test begins."""
        self._begin_loop()

    def on_test_batch_end(self, trainer: pl.Trainer, pl_module: Any, *arguments: Any, **named: Any) -> None:
        """A test batch is done."""
        self._note(self._loop.times, trainer)

    def on_test_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """A test is over."""
        self._end_loop("test", trainer)

    def _begin_loop(self) -> None:
        self._loop = Loop()
        self._last = self._loop_began = clock()

    def _end_loop(self, kind: str, trainer: pl.Trainer) -> None:
        now = clock()
        self._loop.seconds, self._loop.finish = now - self._loop_began, now - self._last
        self._last = now
        if self._epoch is not None and self._fit is not None:
            self._epoch.validation = self._loop
            return
        loaders = trainer.test_dataloaders if kind == "test" else trainer.val_dataloaders
        self._loop.batches = self._all(kind, loaders)
        self.recorder.loops.append(self._loop)
        self.recorder.memory |= peak_memory()

    def _note(self, times: list[float], trainer: pl.Trainer) -> None:
        device = trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = clock()
        times.append(now - self._last)
        self._last = now


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; 0 if there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _most(trainer: pl.Trainer) -> float | None:
    """Seconds after which a Timer ends a training that has not begun."""
    timers = tuple(family.callbacks.Timer for family in FAMILIES)
    left = [one.time_remaining() for one in trainer.callbacks if isinstance(one, timers)]  # type: ignore[attr-defined]
    return min((float(one) for one in left if one is not None and isfinite(one)), default=None)


def _may_end(trainer: pl.Trainer) -> bool:
    kinds = (StopWithoutRise, *(family.callbacks.EarlyStopping for family in FAMILIES))
    return any(isinstance(one, kinds) for one in trainer.callbacks)  # type: ignore[attr-defined]
