"""Training-free scores of NAS-Bench-201 networks beside the accuracies that the networks have once they are trained."""

from __future__ import annotations

import random
import time
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import track
from rich.table import Table
from torch import Tensor

from lightning_nas.benchmark.base import Benchmark
from lightning_nas.benchmark.images import class_images
from lightning_nas.benchmark.ranks import spearman
from lightning_nas.errors import ArgumentError, TableError
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies.zero_cost import (
    VOTERS,
    Probe,
    ZeroCostScore,
    build_score,
    probe_classifier,
    score_names,
    vote,
)

CLASSES = 10
ACCURACIES = ("cifar10_test", "cifar100_test", "imagenet16_test")
ARGUMENTS: dict[str, dict[str, Any]] = {"zen": {"repeats": 4, "batch_size": 16}}
"""Arguments of scores other than their defaults: all of zen's draws would take longer than all other scores."""

PUBLISHED = {
    "synflow": (0.74, 0.76, 0.75),
    "jacob_cov": (0.73, 0.71, 0.71),
    "grad_norm": (0.58, 0.64, 0.58),
    "snip": (0.58, 0.63, 0.58),
    "grasp": (0.48, 0.54, 0.56),
    "fisher": (0.36, 0.39, 0.33),
    "vote": (0.82, 0.83, 0.82),
}
"""Spearman's correlation over all 15,625 networks, each data set with its own images: Abdelfattah, Mehrotra, Dudziak, Lane
2021, "Zero-Cost Proxies for Lightweight NAS", arXiv 2101.08134, section 4. Columns as in ``ACCURACIES``."""


@dataclass(frozen=True)
class ZeroCostBenchmark(Benchmark):
    """Spearman's correlation of every score with the accuracy after training, and what the score costs.

    All networks see the same images; each is initialised by PyTorch's defaults under a seed of its own. The published
    values of the second and third data set were found with images of these; here CIFAR-10 serves for all three.

    Args:
        table: CSV file, ``.gz`` or not, with a column ``arch`` in the benchmark's notation and at least one of
            ``cifar10_test``, ``cifar100_test``, ``imagenet16_test``.
        images: Folder of class folders, or one that holds them in ``train/``: CIFAR-10 as image files.
        networks: How many to draw from the table, without replacement; all if it has fewer.
        batch_size: Images that a score sees.
        scores: Their names; all if None.
        device: Where to run; ``"auto"`` takes a CUDA device if there is one.
        seed: Of networks, weights and images.

    Raises:
        ValueError: If an argument is out of range, a score is unknown, or CUDA is asked for and absent.
    """

    table: str | None = None
    images: str | None = None
    networks: int = 500
    batch_size: int = 64
    scores: Sequence[str] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, expected in (
            ("table", "a CSV file with the columns arch and cifar10_test"),
            ("images", "a folder of class folders"),
        ):
            if getattr(self, name) is None:
                raise ArgumentError(f"{name} = None: expected {expected}")
        for name in ("networks", "batch_size"):
            if getattr(self, name) < 2:
                raise ArgumentError(f"{name} must be at least 2, got {getattr(self, name)}")
        if isinstance(self.scores, str) or (self.scores is not None and not self.scores):
            raise ArgumentError(f"scores must be a list of {score_names()}, or None for all, got {self.scores!r}")
        if self.device not in typing.get_args(Literal["auto", "cpu", "cuda"]):
            raise ArgumentError(f"device must be 'auto', 'cpu' or 'cuda', got {self.device!r}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ArgumentError("device is 'cuda', but there is no CUDA device here")
        self._build()

    def run(self) -> dict[str, Any]:
        """Scores the networks; a score that is not finite is None in the result, and ranks last."""
        device = torch.device(
            "cuda" if self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available()) else "cpu"
        )
        accuracies = self._accuracies()
        generator = random.Random(self.seed)
        chosen = generator.sample(sorted(accuracies), min(self.networks, len(accuracies)))
        images, labels = class_images(str(self.images), self.batch_size, CLASSES, self.seed)
        images, labels = images.to(device, memory_format=torch.channels_last), labels.to(device)
        scores = self._build()
        values: dict[str, list[float]] = {name: [] for name in scores}
        seconds: dict[str, list[float]] = {name: [] for name in scores}
        for index, text in enumerate(track(chosen, "networks", transient=True)):
            probe = self._probe(text, index, images, labels)
            for name, score in scores.items():
                started = time.perf_counter()
                values[name].append(score(probe))
                seconds[name].append(time.perf_counter() - started)
        if set(VOTERS) <= set(scores):
            values["vote"] = vote(values)
        trained = {name: [accuracies[text][name] for text in chosen] for name in accuracies[chosen[0]]}
        return {
            "settings": {**asdict(self), "scores": list(scores)},
            "device": _name(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "scores": [_row(name, values[name], seconds.get(name), trained) for name in values],
            "networks": [
                {"arch": text, **{name: _finite(values[name][index]) for name in values}}
                for index, text in enumerate(chosen)
            ],
        }

    @staticmethod
    def render(results: Sequence[Mapping[str, Any]]) -> Table:
        """One row per score: correlation (the published one), below it its 95 % interval; time per network.

        Args:
            results: The first one is shown.
        """
        result = results[0]
        count = len(result["networks"])
        title = (
            f"Spearman's correlation over {count} networks (published), {result['device']}, {result['threads']} threads"
        )
        table = Table(title=title)
        data_sets = [name for name in ACCURACIES if name in result["scores"][0]["spearman"]]
        for column in ("score", *(name.removesuffix("_test") for name in data_sets), "s each", "not\nfinite"):
            table.add_column(column, justify="left" if column == "score" else "right")
        for row in result["scores"]:
            table.add_row(
                row["name"],
                *(_correlation(row["spearman"][name], row["published"].get(name)) for name in data_sets),
                "" if row["seconds"] is None else f"{row['seconds']:.3f}",
                str(row["not_finite"]),
            )
        return table

    def _accuracies(self) -> dict[str, dict[str, float]]:
        """Architecture -> column -> accuracy, of the columns that the table has."""
        space = NasBench201()
        known = ResultTable(str(self.table), space)
        present = [name for name in ACCURACIES if name in known.columns]
        if not present or not known.rows:
            raise TableError(f"table {self.table}: expected rows and one of the columns {list(ACCURACIES)}")
        return {space.to_text(dict(key)): {name: row[name] for name in present} for key, row in known.rows.items()}

    def _build(self) -> dict[str, ZeroCostScore]:
        names = score_names() if self.scores is None else list(self.scores)
        return {name: build_score(name, **ARGUMENTS.get(name, {})) for name in names}

    def _probe(self, text: str, index: int, images: Tensor, labels: Tensor) -> Probe:
        space = NasBench201()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed + index)
            network = space.network(space.from_text(text))
        network.to(memory_format=torch.channels_last)  # quicker on CPUs, too
        return probe_classifier(network, images, labels, CLASSES, seed=self.seed + index)


def _row(
    name: str, values: Sequence[float], seconds: Sequence[float] | None, trained: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    published = dict(zip(ACCURACIES, PUBLISHED[name], strict=True)) if name in PUBLISHED else {}
    return {
        "name": name,
        "seconds": None if seconds is None else sum(seconds) / len(seconds),
        "spearman": {data_set: spearman(values, accuracy) for data_set, accuracy in trained.items()},
        "published": {data_set: published[data_set] for data_set in trained if data_set in published},
        "not_finite": int((~np.isfinite(values)).sum()),
    }


def _correlation(found: Mapping[str, float | None], published: float | None) -> str:
    """The value, the published one in brackets; below it the interval."""
    value = found["value"]
    if value is None:
        return "none"
    beside = "" if published is None else f" ({published:.2f})"
    return f"{value:.2f}{beside}\n{found['low']:.2f} … {found['high']:.2f}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _name(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return f"{device.type}: {name}"
