"""Architectures judged without any training, and the best of many of them as the first trials of a search."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import JobError
from lightning_nas.search.costs import input_size
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.families import pl
from lightning_nas.strategies.zero_cost import Probe, build_score, vote


class ZeroCostEvaluator:
    """Scores the untrained network of an architecture on one training batch.

    The network is that of the task, initialised as a training with the search's seed would; ``loss`` is the task's own.

    Args:
        job: The search.
        score: Name of the score, see :func:`~lightning_nas.strategies.zero_cost.score_names`.
        args: Arguments of the score.

    Raises:
        JobError: If there is no such score or it has no such argument.

    Example:
        >>> from functools import partial
        >>> from lightning_nas.search import Job
        >>> evaluator = partial(ZeroCostEvaluator, score="naswot")
        >>> job = Job(space, datamodule=data, make_task=MyTask, evaluator=evaluator)  # doctest: +SKIP
    """

    def __init__(self, job: Job, *, score: str = "synflow", args: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.score = build_score(score, **args)
        self.metric = score
        self.probes = Probes(job)

    def __call__(self, choices: Choices, trial: Any) -> dict[str, float]:
        """The score."""
        return {self.metric: self.probes.measure(choices, self.score)}


class Prefilter:
    """Draws architectures, scores them without training, keeps the best share.

    Source: Abdelfattah et al. 2021, arXiv 2101.08134, section 5.2 (warm-up).

    Args:
        job: The search.
        scores: Names of the scores; several ones vote, see :func:`~lightning_nas.strategies.zero_cost.vote`.
        samples: How many are drawn.
        keep: Share that is kept, at least one.

    Raises:
        JobError: If an argument is out of range or there is no such score.

    Example:
        >>> from functools import partial
        >>> from lightning_nas.search import Job
        >>> prefilter = partial(Prefilter, scores=["synflow"], samples=20)
        >>> job = Job(space, datamodule=data, make_task=MyTask, prefilter=prefilter)  # doctest: +SKIP
    """

    def __init__(self, job: Job, *, scores: Sequence[str], samples: int = 100, keep: float = 0.1) -> None:
        if samples < 1:
            raise JobError(f"samples must be at least 1, got {samples}")
        if not 0 < keep <= 1:
            raise JobError(f"keep must be above 0 and at most 1, got {keep}")
        if not scores:
            raise JobError("scores must name at least one score, got none")
        self.scores = {name: build_score(name) for name in scores}
        self.samples, self.keep = samples, keep
        self.job, self.probes = job, Probes(job)

    def best(self) -> list[dict[str, Option]]:
        """What is kept, the best first."""
        rng = random.Random(self.job.seed)
        drawn = [self.job.space.sample(rng) for _ in range(self.samples)]
        drawn = list({tuple(choices.items()): choices for choices in drawn}.values())
        values: dict[str, list[float]] = {name: [] for name in self.scores}
        for choices in track(drawn, "scoring without training"):
            for name, value in self.measure(choices).items():
                values[name].append(value)
        ranked = vote(values, tuple(values)) if len(values) > 1 else next(iter(values.values()))
        order = sorted(range(len(drawn)), key=lambda index: -ranked[index])
        return [drawn[index] for index in order[: max(1, round(self.keep * len(drawn)))]]

    def measure(self, choices: Choices) -> dict[str, float]:
        """All scores of an architecture, by name."""
        return {name: self.probes.measure(choices, score) for name, score in self.scores.items()}


class Probes:
    """Networks of architectures, each with the same training batch."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._batch: Any = None

    def measure(self, choices: Choices, score: Callable[[Probe], float]) -> float:
        """A score of the untrained network of an architecture."""
        pl.seed_everything(self.job.seed, workers=True, verbose=False)
        task = self.job.make_task(self.job.build_network(choices))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*self.log.*")  # nobody listens outside a Trainer
            return score(self._probe(task))

    def _probe(self, task: Any) -> Probe:
        if self._batch is None:
            datamodule = self.job.datamodule
            datamodule.prepare_data()
            datamodule.setup("fit")
            self._batch = next(iter(datamodule.train_dataloader()))
        batch = self._batch
        images = batch[0]

        def maps(x: Tensor) -> Tensor:
            return torch.cat([level.flatten(1) for level in task.backbone(x)], 1)

        def predictions(x: Tensor) -> Tensor:
            predicted: Tensor = task(x)
            return predicted.flatten(1)

        together = isinstance(images, Tensor)  # detectors take lists of images, and answer with lists of boxes
        if not together:
            size = input_size(task, self.job.datamodule)[1:]
            images = torch.cat([nn.functional.interpolate(image[None], size, mode="bilinear") for image in images])
        return Probe(
            task,
            images,
            lambda: task.training_step(batch, 0),
            predictions if together else maps,
            lambda x: task.backbone(x)[-1],
            task if together else lambda x: task(list(x)),
        )
