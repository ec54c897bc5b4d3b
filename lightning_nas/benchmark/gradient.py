"""Searches by gradient on NAS-Bench-201: real images, a small supernet, and what is found is looked up in the table."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna
import pytorch_lightning as pl
import torch
from rich.table import Table

from lightning_nas.architecture import Choices
from lightning_nas.benchmark.base import Benchmark
from lightning_nas.benchmark.images import class_images
from lightning_nas.benchmark.nasbench201 import DATASETS
from lightning_nas.benchmark.shared_classifier import SharedClassifier, TensorImages
from lightning_nas.errors import ArgumentError
from lightning_nas.runs.history import read_history
from lightning_nas.runs.settings import SupernetSettings
from lightning_nas.search import Job, run
from lightning_nas.search.doctor import Signs, diagnose
from lightning_nas.search.lightning.trainers import Trainers
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBench201, SearchSpace, Supernet
from lightning_nas.strategies import GradientStrategy
from lightning_nas.strategies.blackbox import suggest

CLASSES = 10

MakeStrategy = Callable[[SearchSpace, int], Any]
"""Space, seed -> the strategy of one search."""


@dataclass(frozen=True)
class GradientSearchBenchmark(Benchmark):
    """Searches of one gradient strategy, each with a supernet that is small enough for a CPU.

    A supernet with few channels is searched on some images of CIFAR-10. As deep as the table's networks, DARTS collapses in
    it as published; with one cell per stage it did not settle on anything. The found cell's accuracies are those of the
    table, of the full network after 200 epochs (Dong, Yang 2020, arXiv 2001.00326).

    Args:
        make_strategy: Gives the strategy of one search; a random one finds what it draws first.
        strategy: Its name.
        table: CSV file with a column ``arch`` in the benchmark's notation and, for every dataset, ``<dataset>_test`` in %.
        images: Folder of class folders, or one that holds them in ``train/``: CIFAR-10 as image files.
        seeds: Number of searches.
        seed: Of the first one; the others follow.
        channels: Of the supernet's first stage; the table's networks have 16.
        cells: Of each of its three stages; the table's networks have 5.
        image_size: Side to which the images are scaled.
        train_images: Half of them train the weights, half the logits.
        batch_size: Images per step.
        steps: Of an epoch, each on a random batch; all batches if there are not more.
        epochs: Of a search; a strategy with stages has so many in all.
        warmup_epochs: Of them, in which the logits rest.
        learning_rate: Of the weights: SGD with momentum 0.9, falls to 0 with a cosine.

    Raises:
        ValueError: If an argument is out of range.
    """

    make_strategy: MakeStrategy
    strategy: str
    table: str | None = None
    images: str | None = None
    seeds: int = 3
    seed: int = 0
    channels: int = 8
    cells: int = 5
    image_size: int = 16
    train_images: int = 5_000
    batch_size: int = 32
    steps: int = 25
    epochs: int = 40
    warmup_epochs: int = 3
    learning_rate: float = 0.05

    def __post_init__(self) -> None:
        for name, expected in (
            ("table", "a CSV file with the columns arch and <dataset>_test"),
            ("images", "a folder of class folders"),
        ):
            if getattr(self, name) is None:
                raise ArgumentError(f"{name} = None: expected {expected}")
        least = {"seeds": 1, "channels": 1, "cells": 1, "image_size": 8, "batch_size": 2, "steps": 1, "epochs": 1}
        for name, low in {**least, "train_images": 4 * self.batch_size}.items():
            if getattr(self, name) < low:
                raise ArgumentError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if not 0 <= self.warmup_epochs < self.epochs:
            raise ArgumentError(
                f"warmup_epochs must be at least 0 and less than epochs = {self.epochs}, got {self.warmup_epochs}"
            )
        if self.learning_rate <= 0:
            raise ArgumentError(f"learning_rate must be positive, got {self.learning_rate}")

    def run(self) -> dict[str, Any]:
        """All searches."""
        known = ResultTable(str(self.table), NasBench201())
        columns = [f"{name}_test" for name in DATASETS if f"{name}_test" in known.columns]
        if not columns:
            known.require(f"{DATASETS[0]}_test")
        searches: list[dict[str, Any]] = []
        for seed in range(self.seed, self.seed + self.seeds):
            print(f"{self.strategy}: search {len(searches) + 1} of {self.seeds}", flush=True)
            images, labels = class_images(str(self.images), self.train_images, CLASSES, seed, self.image_size)
            found = self._search(seed, TensorImages(images, labels, self.batch_size))
            row = known[found.pop("choices")]
            searches.append({**found, **{column: row[column] for column in columns}})
        settings = {name: value for name, value in asdict(self).items() if name not in ("make_strategy", "strategy")}
        random = {column: [row[column] for row in known.rows.values()] for column in columns}
        return {
            "strategy": self.strategy,
            "settings": settings,
            "torch": torch.__version__,
            "columns": columns,
            "random": {column: [statistics.fmean(v), statistics.pstdev(v), len(v)] for column, v in random.items()},
            "searches": searches,
        }

    @staticmethod
    def render(results: Sequence[Mapping[str, Any]]) -> Table:
        """One row per strategy, and one for all cells of the table."""
        columns = results[0]["columns"]
        table = Table(title="NAS-Bench-201: test accuracy of the found cells in %, mean ± deviation over the searches")
        for title in ("strategy", "searches", *columns, "doctor", "processor, s"):
            table.add_column(title, justify="left" if title == "strategy" else "right")
        for result in results:
            own = result["searches"]
            cells = [_spread([search[column] for search in own]) for column in columns]
            table.add_row(
                result["strategy"], str(len(own)), *cells, _said(own), _spread([search["seconds"] for search in own], 0)
            )
        random = results[0]["random"]
        cells = [f"{mean:.2f} ± {deviation:.2f}" for mean, deviation, _ in random.values()]
        table.add_section()
        table.add_row("all cells of the table", str(next(iter(random.values()))[2]), *cells, "", "")
        return table

    def _search(self, seed: int, data: TensorImages) -> dict[str, Any]:
        space = NasBench201(channels=self.channels, cells=self.cells)
        strategy = self.make_strategy(space, seed)
        if isinstance(strategy, optuna.samplers.BaseSampler):
            choices: Choices = suggest(optuna.create_study(sampler=strategy).ask(), space)
            return {
                "seed": seed,
                "choices": choices,
                "arch": space.to_text(choices),
                "seconds": 0.0,
                "doctor": None,
                "epochs": [],
            }
        if not isinstance(strategy, GradientStrategy):
            raise ArgumentError(f"strategy = {self.strategy}: expected one of gradients, or random")
        epochs = self.epochs if strategy.stages is None else max(self.epochs // strategy.stages.count, 1)
        settings = SupernetSettings(epochs=epochs, warmup_epochs=self.warmup_epochs)
        pl.seed_everything(seed, workers=True, verbose=False)
        with tempfile.TemporaryDirectory() as folder:
            trainers = Trainers({"accelerator": "cpu", "limit_train_batches": self.steps}, loggers=_no_loggers)
            job = Job(space, data, self._task, folder, trainers=trainers, seed=seed, supernet=settings)
            start = time.process_time()
            architecture = run(strategy, job)
            seconds = time.process_time() - start
            history = read_history(job.run.history)
        choices = next(iter(architecture.components.values())).choices
        return {
            "seed": seed,
            "choices": choices,
            "arch": space.to_text(choices),
            "seconds": round(seconds, 1),
            "doctor": diagnose(Signs.of(history)).sentence,
            "epochs": [_epoch(space, history[: number + 1]) for number in range(len(history))],
        }

    def _task(self, supernet: Supernet) -> SharedClassifier:
        return SharedClassifier(supernet, CLASSES, self.learning_rate)


def _no_loggers(folder: Any) -> Sequence[pl.loggers.Logger]:
    return []


def _epoch(space: NasBench201, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is kept of an epoch: its cell, what the doctor would have said then, and what the guard has said."""
    line = history[-1]
    said = {name: line[name] for name in ("eigenvalue", "stopped") if name in line}
    word = diagnose(Signs.of(history)).word
    return {"epoch": line["epoch"], "arch": space.to_text(line["choices"]), "doctor": word, **said}


def _said(searches: Sequence[Mapping[str, Any]]) -> str:
    """The doctor's words, and for how many searches."""
    words = [str(search["doctor"]).partition(":")[0].split()[0] for search in searches if search["doctor"]]
    return ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))


def _spread(values: Sequence[float], digits: int = 2) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"
