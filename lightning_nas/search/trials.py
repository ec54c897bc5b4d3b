"""A trial: one fixed network, trained and tested with a given budget, its result kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_nas.architecture import write_atomic
from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.search.families import FAMILIES, pl
from lightning_nas.spaces import Backbone


@dataclass(frozen=True)
class TrialResult:
    """What one trial gave.

    Args:
        name: Shown to people, e.g. ``"random 0"``.
        kind: ``found``, ``random`` or ``baseline``.
        metrics: Test metrics.
        parameters: Parameters of the backbone.
        macs: Multiply-adds of the backbone for one image.
        seconds: Wall time of the training, over all attempts where it was resumed.
        input_size: Channels, height and width of the image that cost was counted for.
    """

    name: str
    kind: str
    metrics: dict[str, float]
    parameters: int
    macs: int
    seconds: float
    input_size: tuple[int, int, int]

    @classmethod
    def of(cls, name: str, kind: str, trainer: pl.Trainer, task: Any, datamodule: Any) -> TrialResult:
        """The result of a task that a Trainer has trained and tested just now; it must hold a ``Timer``.

        Cost is that of the task's ``backbone`` for images of the task's ``input_size``, or else of the data's size.
        """
        timers = tuple(family.callbacks.Timer for family in FAMILIES)
        (timer,) = (callback for callback in trainer.callbacks if isinstance(callback, timers))  # type: ignore[attr-defined]
        size = input_size(task, datamodule)
        return cls(
            name,
            kind,
            plain_metrics(trainer.callback_metrics),
            parameters=count_parameters(task.backbone),
            macs=count_macs(task.backbone, size),
            seconds=timer.time_elapsed("train"),
            input_size=size,
        )


@dataclass(frozen=True)
class TrialRunner:
    """Trains networks that compete with each other, all in the same way.

    Args:
        folder: Where results are kept; a trial that finished there is read, not run again.
        make_task: Backbone -> the task.
        make_trainer: Folder of the trial -> a Trainer.
        datamodule: The data.
        seed: Seed of every trial: initial weights and data order are equal across trials.
    """

    folder: Path
    make_task: Callable[[Backbone], pl.LightningModule]
    make_trainer: Callable[[Path], pl.Trainer]
    datamodule: pl.LightningDataModule
    seed: int

    def run(self, name: str, kind: str, build: Callable[[], Backbone]) -> TrialResult:
        """Trains and tests one network, resuming from its checkpoint if it was interrupted."""
        folder = self.folder / name.replace(" ", "_").replace(":", "")
        record = folder / "result.json"
        if record.is_file():
            return TrialResult(**json.loads(record.read_text()))
        pl.seed_everything(self.seed, workers=True, verbose=False)
        backbone = build()
        trainer = self.make_trainer(folder)
        task = self.make_task(backbone)
        last = folder / "checkpoints" / "last.ckpt"
        trainer.fit(task, datamodule=self.datamodule, ckpt_path=str(last) if last.is_file() else None)
        trainer.test(task, datamodule=self.datamodule, verbose=False)
        result = TrialResult.of(name, kind, trainer, task, self.datamodule)
        if trainer.is_global_zero:
            write_atomic(record, json.dumps(asdict(result), indent=2, sort_keys=True) + "\n")
        return result


def input_size(task: Any, datamodule: Any) -> tuple[int, int, int]:
    """Channels, height and width of an image as a task's network sees it: the task's ``input_size``, or the data's."""
    own: tuple[int, int, int] | None = getattr(task, "input_size", None)
    return own if own is not None else (datamodule.in_channels, *datamodule.image_size)


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Logged scalars as numbers, ``test/`` prefix removed, training and validation values left out."""
    return {
        name.removeprefix("test/"): float(value) for name, value in sorted(metrics.items()) if name.startswith("test/")
    }
