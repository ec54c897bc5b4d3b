"""Black-box strategies on NAS-Bench-201: every architecture is looked up, so that hundreds of searches take minutes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
from numpy.typing import NDArray
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from lightning_nas.benchmark.base import Benchmark
from lightning_nas.benchmark.regret import accuracy_table, draw_regret
from lightning_nas.errors import ArgumentError
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBench201, SearchSpace
from lightning_nas.strategies.blackbox import suggest

DATASETS = ("cifar10", "cifar100", "imagenet16")
SECONDS = {"cifar10": "train_time_s", "cifar100": "cifar100_train_time_s", "imagenet16": "imagenet16_train_time_s"}
"""Column of the seconds that a training takes."""

GROUP = 10
"""Searches that a process does in one go: the table travels to it with each group."""

MakeSampler = Callable[[SearchSpace, int], optuna.samplers.BaseSampler]
"""Space, seed -> the sampler of one search."""


@dataclass(frozen=True)
class Search:
    """What one search has found, evaluation by evaluation.

    Args:
        test: ``(budget,)``, test accuracy of the architecture with the best validation accuracy so far, in %.
        seconds: ``(budget,)``, simulated seconds of training until then.
        overhead: Seconds of the processor per evaluation, nearly all of them the strategy's.
    """

    test: NDArray[np.float64]
    seconds: NDArray[np.float64]
    overhead: float


class NasBench201Benchmark(Benchmark):
    """Many searches of one strategy on the table of NAS-Bench-201 (Dong, Yang 2020, arXiv 2001.00326).

    A strategy is told the validation accuracy after 200 epochs. Every trial counts as an evaluation, a repeated one too.
    What is judged is the test accuracy of the architecture that is best in validation.

    Args:
        table: CSV file with a column ``arch`` in the benchmark's notation, and for every dataset ``<dataset>_valid``,
            ``<dataset>_test`` in % and the seconds of a training.
        make_sampler: Gives the sampler of one search.
        strategy: Its name.
        budget: Evaluations of one search.
        seeds: Number of searches.
        seed: Of the first one; the others follow.
        datasets: Of ``cifar10``, ``cifar100``, ``imagenet16``.
        marks: Numbers of evaluations that the printed table shows; the whole budget if it is smaller than all of them.
        jobs: Processes.

    Raises:
        TableError: If the table cannot be used.
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        table: str,
        make_sampler: MakeSampler,
        strategy: str,
        budget: int = 500,
        seeds: int = 100,
        seed: int = 0,
        datasets: Sequence[str] = DATASETS,
        marks: Sequence[int] = (100, 200, 500),
        jobs: int = 1,
    ) -> None:
        for name, value in (("budget", budget), ("seeds", seeds), ("jobs", jobs), *(("marks", mark) for mark in marks)):
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, got {value}")
        for dataset in datasets:
            if dataset not in DATASETS:
                raise ArgumentError(f"datasets must be of {DATASETS}, got {dataset!r}")
        self.space = NasBench201()
        self.known = ResultTable(table, self.space)
        self.known.require(*(f"{name}_{part}" for name in datasets for part in ("valid", "test")))
        self.known.require(*(SECONDS[name] for name in datasets))
        self.make_sampler, self.strategy, self.jobs = make_sampler, strategy, jobs
        self.budget, self.seeds = budget, range(seed, seed + seeds)
        self.datasets = tuple(datasets)
        self.marks = tuple(mark for mark in sorted(marks) if mark <= budget) or (budget,)

    def run(self) -> dict[str, Any]:
        """All searches.

        Returns:
            JSON values: per dataset the mean and the standard deviation of test accuracy and regret after every evaluation,
            the mean simulated seconds, and what the strategy itself took.
        """
        groups = [self.seeds[start : start + GROUP] for start in range(0, len(self.seeds), GROUP)]
        work = [(dataset, group) for dataset in self.datasets for group in groups]
        calls = (joblib.delayed(self._search_all)(dataset, group) for dataset, group in work)
        done = joblib.Parallel(n_jobs=self.jobs, return_as="generator")(calls)
        shown = track(done, f"{self.strategy}, {len(self.seeds)} seeds", total=len(work))
        searches = [search for group in shown for search in group]
        result: dict[str, Any] = {
            "strategy": self.strategy,
            "seeds": len(self.seeds),
            "marks": self.marks,
            "datasets": {},
        }
        for index, dataset in enumerate(self.datasets):
            own = searches[index * len(self.seeds) : (index + 1) * len(self.seeds)]
            test = np.stack([search.test for search in own])
            optimum = max(row[f"{dataset}_test"] for row in self.known.rows.values())
            result["datasets"][dataset] = {
                "optimum": optimum,
                "test_mean": test.mean(0).round(4).tolist(),
                "test_std": test.std(0).round(4).tolist(),
                "regret_mean": (optimum - test).mean(0).round(4).tolist(),
                "seconds_mean": np.stack([search.seconds for search in own]).mean(0).round(1).tolist(),
                "overhead_ms": round(1e3 * statistics.fmean(search.overhead for search in own), 3),
            }
        return result

    def _search_all(self, dataset: str, seeds: Sequence[int]) -> list[Search]:
        with threadpool_limits(1):  # strategies calculate with small matrices
            return [self.search(dataset, seed) for seed in seeds]

    def search(self, dataset: str, seed: int) -> Search:
        """One search; the same seed gives the same one."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize", sampler=self.make_sampler(self.space, seed))
        best = (-np.inf, 0.0)
        test, seconds = np.empty(self.budget), np.empty(self.budget)
        start = time.thread_time()  # without the progress bar, which another thread draws
        for index in range(self.budget):
            trial = study.ask()
            row = self.known[suggest(trial, self.space)]
            study.tell(trial, row[f"{dataset}_valid"] / 100)  # as a task would
            best = max(best, (row[f"{dataset}_valid"], row[f"{dataset}_test"]), key=lambda known: known[0])
            test[index], seconds[index] = best[1], row[SECONDS[dataset]]
        return Search(test, seconds.cumsum(), (time.thread_time() - start) / self.budget)

    @staticmethod
    def render(results: Sequence[Mapping[str, Any]]) -> Table:
        """One row per strategy."""
        return accuracy_table(results)

    @staticmethod
    def draw(results: Sequence[Mapping[str, Any]], folder: Path) -> Path:
        """Writes ``regret.png``."""
        return draw_regret(results, folder / "regret.png")
