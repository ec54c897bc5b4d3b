"""Inherited accuracies of NAS-Bench-Macro's networks beside those that the networks have once each is trained by itself."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from rich.progress import track
from rich.table import Table
from torch import Tensor

from lightning_nas.benchmark.base import Benchmark
from lightning_nas.benchmark.images import class_images
from lightning_nas.benchmark.ranks import spearman
from lightning_nas.benchmark.shared_classifier import SharedClassifier, TensorImages
from lightning_nas.cost import count_macs
from lightning_nas.errors import ArgumentError, TableError
from lightning_nas.search.paths.elastic_module import ElasticModule
from lightning_nas.search.paths.recalibration import recalibrate
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBenchMacro
from lightning_nas.strategies import Elastic
from lightning_nas.strategies.paths.step_rules import StepRule

CLASSES = 10
ACCURACY = "test"


@dataclass(frozen=True)
class NasBenchMacroBenchmark(Benchmark):
    """Spearman's correlation of accuracies with shared weights and of the table's.

    One supernet is trained on CIFAR-10 images as the step rule says. Each of the drawn networks is then judged as it is on
    images that were held out, after its statistics of BatchNorm were estimated anew.

    Args:
        table: CSV file, ``.gz`` or not, with the columns ``arch``, in the benchmark's notation, and ``test``.
        images: Folder of class folders, or one that holds them in ``train/``: CIFAR-10 as image files.
        rule: Which networks a step trains: ``"uniform"``, ``"sandwich"``, ``"alternate"`` or ``"progressive"``.
        distillation: Weight of the largest network's outputs in the losses of the others, from 0 to 1.
        networks: How many to draw from the table, without replacement; all if it has fewer.
        image_size: Side to which the images are scaled, at least 8; the table's networks saw 32 pixels.
        train_images: Images on which the supernet is trained ...
        validation_images: ... and those that judge its networks.
        epochs: Of the supernet's training.
        batch_size: Images per step.
        learning_rate: Of SGD with momentum 0.9; falls to 0 with a cosine.
        width: Channels of the supernet, as a share of the published ones.
        recalibration_batches: Batches that estimate the statistics of BatchNorm of a network.
        seed: Of networks, images, weights and draws.

    Raises:
        ValueError: If an argument is out of range.
    """

    table: str | None = None
    images: str | None = None
    rule: StepRule = "uniform"
    distillation: float = 0.0
    networks: int = 100
    image_size: int = 16
    train_images: int = 8_000
    validation_images: int = 2_000
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 0.1
    width: float = 0.25
    recalibration_batches: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, expected in (
            ("table", "a CSV file with the columns arch and test"),
            ("images", "a folder of class folders"),
        ):
            if getattr(self, name) is None:
                raise ArgumentError(f"{name} = None: expected {expected}")
        for name, least in {
            "networks": 4,
            "image_size": 8,
            "train_images": 1,
            "validation_images": 1,
            "epochs": 1,
            "batch_size": 2,
            "recalibration_batches": 1,
        }.items():
            if getattr(self, name) < least:
                raise ArgumentError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("learning_rate", "width"):
            if getattr(self, name) <= 0:
                raise ArgumentError(f"{name} must be positive, got {getattr(self, name)}")
        self._strategy()

    def run(self) -> dict[str, Any]:
        """Trains the supernet and judges the networks."""
        published, chosen = self._drawn()
        images, labels = class_images(
            str(self.images), self.train_images + self.validation_images, CLASSES, self.seed, self.image_size
        )
        split = self.train_images
        pl.seed_everything(self.seed, workers=True, verbose=False)
        task = SharedClassifier(self.space.supernet(), CLASSES, self.learning_rate)
        started = time.perf_counter()
        self._fit(task, TensorImages(images[:split], labels[:split], self.batch_size))
        seconds = time.perf_counter() - started
        inherited = [
            self._accuracy(task, choices, images, labels) for choices in track(chosen, "networks", transient=True)
        ]
        space = NasBenchMacro()
        macs = [float(count_macs(space.network(choices), (3, 32, 32))) for choices in chosen]
        return {
            "settings": asdict(self),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "training_seconds": seconds,
            "mean_accuracy": sum(inherited) / len(inherited),
            "spearman": spearman(inherited, published),
            "spearman_of_macs": spearman(macs, published),
            "networks": [
                {"arch": space.to_text(choices), "inherited": ours, "published": theirs}
                for choices, ours, theirs in zip(chosen, inherited, published, strict=True)
            ],
        }

    @staticmethod
    def render(results: Sequence[Mapping[str, Any]]) -> Table:
        """One row per step rule: correlation and its 95 % interval, that of the multiply-adds, seconds of the training."""
        table = Table(title="Spearman's correlation with the accuracies of NAS-Bench-Macro")
        for column in (
            "rule",
            "distillation",
            "seed",
            "networks",
            "inherited",
            "multiply-adds alone",
            "mean acc.",
            "s",
        ):
            table.add_column(column, justify="left" if column == "rule" else "right")
        for result in results:
            settings = result["settings"]
            table.add_row(
                settings["rule"], f"{settings['distillation']:g}", str(settings["seed"]), str(len(result["networks"])),
                _correlation(result["spearman"]), _correlation(result["spearman_of_macs"]),
                f"{100 * result['mean_accuracy']:.1f}", f"{result['training_seconds']:.0f}",
            )  # fmt: skip
        return table

    @property
    def space(self) -> NasBenchMacro:
        """The space of the supernet, in its width."""
        full = NasBenchMacro()

        def scaled(channels: int) -> int:
            return max(4, round(self.width * channels))

        return dataclasses.replace(
            full,
            stem_channels=scaled(full.stem_channels),
            widths=tuple(scaled(channels) for channels in full.widths),
            head_channels=scaled(full.head_channels),
        )

    def _strategy(self) -> Elastic:
        return Elastic(rule=self.rule, distillation=self.distillation, seed=self.seed)

    def _drawn(self) -> tuple[list[float], list[dict[str, Any]]]:
        """Accuracies of the table and choices of the drawn networks."""
        known = ResultTable(str(self.table), NasBenchMacro())
        if ACCURACY not in known.columns or not known.rows:
            raise TableError(f"table {self.table}: expected rows and the column {ACCURACY!r}")
        keys = random.Random(self.seed).sample(sorted(known.rows), min(self.networks, len(known.rows)))
        return [known.rows[key][ACCURACY] for key in keys], [dict(key) for key in keys]

    def _fit(self, task: SharedClassifier, data: TensorImages) -> None:
        trainer = pl.Trainer(
            max_epochs=self.epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            gradient_clip_val=5.0,
        )
        trainer.fit(ElasticModule(task, self._strategy()), datamodule=data)

    def _accuracy(self, task: SharedClassifier, choices: Mapping[str, Any], images: Tensor, labels: Tensor) -> float:
        task.backbone.activate(choices)
        batches = images[: self.train_images].split(self.batch_size)[: self.recalibration_batches]
        recalibrate(task, batches, task)
        task.eval()
        held_out = slice(self.train_images, None)
        with torch.no_grad():
            answers = [task(batch).argmax(1) for batch in images[held_out].split(500)]
        return float((torch.cat(answers) == labels[held_out]).double().mean())


def _correlation(found: Mapping[str, float | None]) -> str:
    if found["value"] is None:
        return "none"
    return f"{found['value']:.2f} ({found['low']:.2f} … {found['high']:.2f})"
