"""What there is to be done: everything that a search needs, as plain values, whatever the strategy."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import optuna
import torch

from lightning_nas.architecture import Choices
from lightning_nas.networks.remapping import remap
from lightning_nas.networks.seeds import Seed
from lightning_nas.runs import RunFolder
from lightning_nas.runs.settings import SupernetSettings, TrialsSettings
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.progress import Progress, unwatched
from lightning_nas.search.lightning.trainers import Trainers
from lightning_nas.spaces import Backbone, SearchSpace, Supernet

Network = TypeVar("Network", bound=Backbone)

MakeTask = Callable[[Any], pl.LightningModule]
"""Backbone -> the LightningModule that trains and validates it."""


@dataclass(frozen=True)
class Pretraining:
    """A classification on which a supernet is trained before its own task.

    Args:
        datamodule: The images, with ``in_channels``.
        make_task: Backbone -> the classifier.
        epochs: Of the training.
        head_channels: Of a closing convolution that only the classifier has, in spaces with such an argument.

    Example:
        >>> Pretraining(datamodule=None, make_task=lambda backbone: backbone, epochs=5).epochs
        5
    """

    datamodule: Any
    make_task: MakeTask
    epochs: int = 30
    head_channels: int = 1024


@dataclass(frozen=True)
class Job:
    """A search: what is searched, on which data, for which task, and where it is kept.

    Args:
        space: The search space.
        datamodule: The data.
        make_task: Backbone -> the LightningModule that trains and validates it.
        folder: Of the run; a search that was interrupted goes on from what lies there.
        make_supernet_task: The same for the supernet, where it needs another head; ``make_task`` if None.
        trainers: Makes the Trainers.
        seed: Of everything random.
        max_time: Budget of wall time of the search, DD:HH:MM:SS, over all attempts.
        supernet: How a supernet is trained, for strategies that train one.
        trials: How trials are run, for strategies that evaluate one architecture after the other.
        evaluator: Job -> what measures an architecture; None: :class:`~lightning_nas.search.TrainEvaluator` with its defaults.
        pruner: Ends trials that are not worth going on with; one of Optuna's.
        prefilter: Job -> what chooses the first trials.
        pretraining: Of the supernet's backbone, for single-path search.
        pretrained: Weights of a well-known network, from which the supernet and every network of the space start.
        continues: Folder of a search by gradients that its guard has stopped: this one goes on where that one was, with another
            guard or none.
        progress: Told how much of the search is done.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> job = Job(NasBench201(), datamodule=None, make_task=lambda backbone: None, folder="runs/mine", seed=1)
        >>> job.run.architecture.name
        'architecture.json'
    """

    space: SearchSpace
    datamodule: Any
    make_task: MakeTask
    folder: str | os.PathLike[str]
    make_supernet_task: MakeTask | None = None
    trainers: Trainers = field(default_factory=Trainers)
    seed: int = 0
    max_time: str | None = None
    supernet: SupernetSettings = field(default_factory=SupernetSettings)
    trials: TrialsSettings = field(default_factory=TrialsSettings)
    evaluator: Callable[[Job], Any] | None = None
    pruner: optuna.pruners.BasePruner | None = None
    prefilter: Callable[[Job], Any] | None = None
    pretraining: Pretraining | None = None
    pretrained: Seed | None = None
    continues: str | os.PathLike[str] | None = None
    progress: Progress = unwatched

    @property
    def run(self) -> RunFolder:
        """The folder, with names for what lies there."""
        return RunFolder(self.folder)

    def build_supernet(self) -> Supernet:
        """The supernet of the space, the same for the same seed, with the pretrained weights if there are any."""
        return self.started(self.space.supernet(generator=torch.Generator().manual_seed(self.seed)))

    def build_network(self, choices: Choices) -> Backbone:
        """The fixed network of an architecture, with the pretrained weights if there are any."""
        return self.started(self.space.network(choices))

    def started(self, network: Network) -> Network:
        """A network of the space or its record, filled with the pretrained weights if there are any.

        Raises:
            WeightsError: If they are of another kind.
        """
        if self.pretrained is not None:
            remap(self.pretrained, network)
        return network

    def supernet_task(self, supernet: Backbone) -> pl.LightningModule:
        """The task with the supernet as its backbone."""
        return (self.make_supernet_task or self.make_task)(supernet)
