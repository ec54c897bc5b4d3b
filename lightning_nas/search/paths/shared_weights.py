"""How good a path of a trained supernet is: validated with the shared weights, after its statistics are estimated anew."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lightning_nas.architecture import Choices
from lightning_nas.search.data.kept import KeptData
from lightning_nas.search.headline import validation_score
from lightning_nas.search.lightning.families import FAMILIES, pl
from lightning_nas.search.paths.recalibration import batch_statistics, has_statistics, recalibrate
from lightning_nas.spaces import Supernet


@dataclass(frozen=True)
class SharedWeights:
    """Validates paths of a supernet. Every path sees the same batches, which are read once where they fit into memory.

    Source: Guo et al. 2020, arXiv 1904.00420, section 3.4.

    Args:
        task: Holds the supernet; its ``validation_step`` logs the metric.
        supernet: In the task.
        datamodule: Training batches recalibrate BatchNorm, validation batches judge. Of a task without a ``forward`` the layers
            of the supernet are recalibrated, those of its head keep their running statistics.
        trainer: Runs the validation.
        metric: What is maximised, see :func:`~lightning_nas.search.headline.validation_score`.
        recalibration_batches: Training batches per path; 0: each validation batch is normalised with its own statistics.
        seed: Of everything that is random in them.
    """

    task: pl.LightningModule
    supernet: Supernet
    datamodule: Any
    trainer: pl.Trainer
    metric: str | None
    recalibration_batches: int
    seed: int

    _names: list[str] = field(default_factory=list, init=False, repr=False)
    _data: list[KeptData] = field(default_factory=list, init=False, repr=False)

    def score(self, choices: Choices) -> float:
        """The value of :meth:`measure`."""
        return self.measure(choices)[1]

    def measure(self, choices: Choices) -> tuple[str, float]:
        """Name and value of the metric of one path; the path stays active.

        Raises:
            ValueError: If the metric is not logged in validation.
        """
        self.prepare(choices)
        self._seed()
        with contextlib.nullcontext() if self.recalibration_batches else batch_statistics(self.task):
            (metrics,) = self.trainer.validate(self.task, datamodule=self._kept_data(), verbose=False)
        name, value = validation_score(metrics, self.metric, self.task)
        self._names[:] = [name]
        return name, value

    def metric_name(self, choices: Choices) -> str:
        """Name of the metric; a path is measured for it if none has been."""
        return self._names[0] if self._names else self.measure(choices)[0]

    def prepare(self, choices: Choices) -> None:
        """Activates a path, and estimates its statistics of BatchNorm."""
        self._seed()
        self.supernet.activate(choices)
        data = self._kept_data()
        data.trainer = self.trainer  # whose epoch is the first: the same batches for every path
        device = self.trainer.strategy.root_device
        self.task.to(device)
        if self.recalibration_batches and has_statistics(self.task):
            network = self.supernet if _lacks_forward(self.task) else self.task
            batches = islice(iter(data.train_dataloader()), self.recalibration_batches)
            recalibrate(self.task, batches, lambda batch: network(pl.utilities.move_data_to_device(batch, device)[0]))

    def _seed(self) -> None:
        pl.seed_everything(self.seed, workers=True, verbose=False)

    def _kept_data(self) -> KeptData:
        """The data, of which every batch is read once."""
        if not self._data:
            self._data.append(KeptData(self.datamodule))
        return self._data[0]


def _lacks_forward(task: pl.LightningModule) -> bool:
    return type(task).forward in [family.LightningModule.forward for family in FAMILIES]
