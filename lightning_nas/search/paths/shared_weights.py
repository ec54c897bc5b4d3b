"""How good a path of a trained supernet is: validated with the shared weights, after its statistics are estimated anew."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lightning_nas.architecture import Choices
from lightning_nas.search.headline import validation_score
from lightning_nas.search.lightning.families import FAMILIES, pl
from lightning_nas.search.paths.recalibration import batch_statistics, has_statistics, recalibrate
from lightning_nas.spaces import Supernet


@dataclass(frozen=True)
class SharedWeights:
    """Validates paths of a supernet. Every path sees the same batches.

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

    def score(self, choices: Choices) -> float:
        """The value of :meth:`measure`."""
        return self.measure(choices)[1]

    def measure(self, choices: Choices) -> tuple[str, float]:
        """Name and value of the metric of one path; the path stays active.

        Raises:
            ValueError: If the metric is not logged in validation.
        """
        pl.seed_everything(self.seed, workers=True, verbose=False)
        self.supernet.activate(choices)
        self.datamodule.trainer = self.trainer  # whose epoch is the first: the same batches for every path
        device = self.trainer.strategy.root_device
        self.task.to(device)
        if self.recalibration_batches and has_statistics(self.task):
            network = self.supernet if _lacks_forward(self.task) else self.task
            batches = islice(iter(self.datamodule.train_dataloader()), self.recalibration_batches)
            recalibrate(self.task, batches, lambda batch: network(pl.utilities.move_data_to_device(batch, device)[0]))
        with contextlib.nullcontext() if self.recalibration_batches else batch_statistics(self.task):
            (metrics,) = self.trainer.validate(self.task, datamodule=self.datamodule, verbose=False)
        return validation_score(metrics, self.metric, self.task)


def _lacks_forward(task: pl.LightningModule) -> bool:
    return type(task).forward in [family.LightningModule.forward for family in FAMILIES]
