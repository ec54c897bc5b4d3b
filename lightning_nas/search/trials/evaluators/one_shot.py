"""Architectures judged by the weights of a supernet that an earlier search has trained on sampled paths."""

from __future__ import annotations

from typing import Any

import torch

from lightning_nas.architecture import Choices
from lightning_nas.errors import JobError
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.runs import RunFolder
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.paths.shared_weights import SharedWeights


class OneShotEvaluator:
    """Validates a path of a trained supernet, with statistics of its own.

    Args:
        job: The search.
        supernet: Run folder of a search that trained the supernet of the same space and task (``strategy=single_path``).
        recalibration_batches: Training batches on which the statistics of BatchNorm are estimated anew per path.
        metric: What is maximised, see :func:`~lightning_nas.search.headline.validation_score`.

    Raises:
        JobError: If the folder has no checkpoint, or that of another space or task.

    Example:
        >>> from functools import partial
        >>> from lightning_nas.search import Job
        >>> evaluator = partial(OneShotEvaluator, supernet="runs/single_path")
        >>> job = Job(space, datamodule=data, make_task=MyTask, evaluator=evaluator)  # doctest: +SKIP
    """

    def __init__(
        self,
        job: Job,
        *,
        supernet: str | None = None,
        recalibration_batches: int = 20,
        metric: str | None = None,
    ) -> None:
        if recalibration_batches < 1:
            raise JobError(f"recalibration_batches must be at least 1, got {recalibration_batches}")
        if supernet is None:
            raise JobError("supernet = null: name the run folder of a search with strategy=single_path")
        checkpoint = RunFolder(supernet).last_checkpoint
        if not checkpoint.is_file():
            raise JobError(f"supernet = {supernet!r}: there is no {checkpoint}")
        job.datamodule.prepare_data()
        job.datamodule.setup("fit")
        network = job.space.supernet(generator=torch.Generator().manual_seed(job.seed))
        task = job.supernet_task(network)
        try:
            task.load_state_dict(read_state_dict(checkpoint))
        except RuntimeError as error:
            raise JobError(f"supernet = {supernet!r} is of another space or task: {error}") from None
        trainer: pl.Trainer = job.trainers.silent(job.folder)
        self.shared = SharedWeights(task, network, job.datamodule, trainer, metric, recalibration_batches, job.seed)
        self.metric = metric or "metric"

    def __call__(self, choices: Choices, trial: Any) -> dict[str, float]:
        """The validation metric of the path."""
        name, value = self.shared.measure(choices)
        return {name: value, self.metric: value}
