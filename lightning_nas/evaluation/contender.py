"""A contender: one fixed network, trained and tested with a given budget, its result kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lightning_nas.architecture import write_atomic
from lightning_nas.cost import Cost
from lightning_nas.cost.probe import random_numbers_kept
from lightning_nas.errors import RunFolderError
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Result, checked, read_text
from lightning_nas.search.costs import Part, TaskCost, cost_of_task
from lightning_nas.search.headline import finite_or_none
from lightning_nas.search.lightning.families import FAMILIES, pl
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.presentation import Presentation
from lightning_nas.spaces import Backbone


@dataclass(frozen=True)
class ContenderResult:
    """What became of one network.

    Args:
        name: Shown to people, e.g. ``"random 0"``.
        kind: ``found``, ``random``, ``baseline``, ``front`` for another network of the front of a search, or ``alone`` for one
            of the front that was trained by itself.
        metrics: Test metrics; None for one that is no finite number. What nothing defines is not there.
        backbone: Cost of the backbone alone, for one image; the latency of the found network's.
        network: The same of the whole network, see :func:`~lightning_nas.search.costs.cost_of_task`; None if the task's
            ``forward`` could not be run, or if an earlier version wrote the result.
        seconds: Wall time of the training, over all attempts where it was resumed.
        input_size: Channels, height and width of the image that cost was counted for.
        failure: Why it has no metrics, if its training failed.
        presentation: What the task says of itself; None if an earlier version wrote the result.
        interval: 95 % interval of the task's headline, by drawing the test images anew; None where it is not known.
    """

    name: str
    kind: str
    metrics: dict[str, float | None]
    backbone: Cost
    network: Cost | None
    seconds: float
    input_size: tuple[int, int, int]
    failure: str | None = None
    presentation: Presentation | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def of(
        cls, name: str, kind: str, trainer: pl.Trainer, task: Any, datamodule: Any, failure: str | None = None
    ) -> ContenderResult:
        """The result of a task that a Trainer has trained and tested just now; it must hold a ``Timer``."""
        timers = tuple(family.callbacks.Timer for family in FAMILIES)
        (timer,) = (callback for callback in trainer.callbacks if isinstance(callback, timers))  # type: ignore[attr-defined]
        cost = contender_cost(kind, task, datamodule, trainer.strategy.root_device, timed=trainer.is_global_zero)
        return cls(
            name,
            kind,
            {} if failure else plain_metrics(trainer.callback_metrics),
            backbone=cost.backbone,
            network=cost.network,
            seconds=timer.time_elapsed("train"),
            input_size=cost.input_size,
            failure=failure,
            presentation=Presentation.of(task, datamodule),
            interval=None if failure else getattr(task, "headline_interval", None),
        )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ContenderResult:
        """What ``dataclasses.asdict`` has made of one; an earlier version knew the backbone's cost alone.

        Raises:
            KeyError: If something is missing.
        """
        network, presentation = record.get("network"), record.get("presentation")
        return cls(
            record["name"],
            record["kind"],
            dict(record["metrics"]),
            backbone=Cost.from_dict(record.get("backbone") or record),
            network=None if network is None else Cost.from_dict(network),
            seconds=record["seconds"],
            input_size=tuple(record["input_size"]),
            failure=record.get("failure"),
            presentation=None if presentation is None else Presentation.from_dict(presentation),
            interval=None if record.get("interval") is None else tuple(record["interval"]),
        )


def contender_cost(
    kind: str, task: Any, datamodule: Any, device: torch.device | str, *, timed: bool = True
) -> TaskCost:
    """What is kept of the cost of a contender: that of the found network with its latency, if ``timed``."""
    parts: tuple[Part, ...] = ("backbone", "network") if timed and kind == "found" else ()
    return cost_of_task(task, datamodule, device, timed=parts, strict=False)


@dataclass(frozen=True)
class Contest:
    """Trains networks that compete with each other, all in the same way.

    Args:
        folder: Of the run; a network that has finished there is read, not trained again.
        make_task: Backbone -> the task.
        make_trainer: Folder of a network -> a Trainer.
        datamodule: The data.
        seed: Of every network: initial weights and data order are equal across them.
    """

    folder: Path
    make_task: Callable[[Backbone], pl.LightningModule]
    make_trainer: Callable[[Path], pl.Trainer]
    datamodule: pl.LightningDataModule
    seed: int

    def run(self, name: str, kind: str, build: Callable[[], Backbone]) -> ContenderResult:
        """Trains and tests one network, resuming from its checkpoint if it was interrupted.

        Raises:
            FloatingPointError: If a loss or a weight of the found network is not finite; of others that is their result.
        """
        return self._result(name, kind, lambda: self.make_task(build()), train=True)

    def test(self, name: str, kind: str, make_task: Callable[[], pl.LightningModule]) -> ContenderResult:
        """Tests a network that is trained already.

        Args:
            name: Of the network.
            kind: Of the network.
            make_task: The task with the trained network.
        """
        return self._result(name, kind, make_task, train=False)

    def _result(
        self, name: str, kind: str, make_task: Callable[[], pl.LightningModule], *, train: bool
    ) -> ContenderResult:
        run = RunFolder(self.folder).contender(name)
        record = run.result
        if record.is_file():
            return self._known(record, make_task)
        pl.seed_everything(self.seed, workers=True, verbose=False)
        task = make_task()
        trainer = self.make_trainer(run.path)
        failure = None
        try:
            if train:
                trainer.fit(task, datamodule=self.datamodule, ckpt_path=last_checkpoint(run.path))
            trainer.test(task, datamodule=self.datamodule, verbose=False)
        except FloatingPointError as error:
            if kind == "found":
                raise
            failure = str(error)
            pl.utilities.rank_zero_warn(f"{name} is out of the comparison: {failure}")
        result = ContenderResult.of(name, kind, trainer, task, self.datamodule, failure)
        if trainer.is_global_zero:
            write_atomic(record, json.dumps(asdict(result), indent=2, sort_keys=True) + "\n")
        return result

    def _known(self, record: Path, make_task: Callable[[], pl.LightningModule]) -> ContenderResult:
        """The result of a finished network; where an earlier version has written it, cost is counted anew."""
        data = checked(read_text(record), Result, str(record))
        try:
            result = ContenderResult.from_dict(data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunFolderError(f"{record}: not the result of a network: {type(error).__name__}: {error}") from None
        if "backbone" in data:
            return result
        with random_numbers_kept():
            cost = contender_cost(result.kind, make_task(), self.datamodule, "cpu")
        return replace(result, backbone=cost.backbone, network=cost.network, input_size=cost.input_size)


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Logged scalars as numbers of JSON, ``test/`` prefix removed, training and validation values left out."""
    return {
        name.removeprefix("test/"): finite_or_none(float(value))
        for name, value in sorted(metrics.items())
        if name.startswith("test/")
    }
