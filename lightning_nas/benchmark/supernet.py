"""The bilevel step of a DARTS supernet: the library's ways beside the textbook's, batch by batch in turns."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from rich.progress import Progress
from rich.table import Table

from lightning_nas.benchmark.base import Benchmark
from lightning_nas.benchmark.meters import OperatorMeter, saved_bytes
from lightning_nas.benchmark.table import as_table
from lightning_nas.benchmark.textbook_search import CLASSES, CLIP, Classifier, Images, TextbookSearch
from lightning_nas.errors import ArgumentError
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Darts
from lightning_nas.spaces.supernet import Form
from lightning_nas.strategies import Darts as DartsStrategy

Device = Literal["auto", "cpu", "cuda"]
PARTS = (2, 4)  # of the channels, one of which candidates see


class _Stopwatch(pl.Callback):
    """Seconds of every training batch, from its hooks."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, list[float]()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        _synchronize(self.device)
        self._started = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        _synchronize(self.device)
        self.seconds.append(time.perf_counter() - self._started)


@dataclass
class Variant:
    """One way of computing the step, and what it cost."""

    name: str
    seconds: list[float]
    saved_bytes: int
    peak_bytes: int
    operator_calls: int


@dataclass(frozen=True)
class SupernetBenchmark(Benchmark):
    """Three ways of the same step: textbook; the textbook's form in our step; our form in our step; and two cheaper steps.

    These are our form with partial channels in 2 and in 4 parts, with edges that compete (Xu et al. 2020, arXiv 1907.05737).

    Args:
        channels: Of the DARTS supernet; a multiple of 4.
        cells: Of the DARTS supernet.
        batch_size: Images per half.
        image_size: Height and width of the images.
        repeats: Steps of every variant that are timed, in turns, after one that is not.
        device: Where to run; ``"auto"`` takes a CUDA device if there is one.
        seed: Of weights and images.

    Raises:
        ValueError: If a number is below 1 or CUDA is asked for and absent.
    """

    channels: int = 16
    cells: int = 8
    batch_size: int = 16
    image_size: int = 32
    repeats: int = 5
    device: Device = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "cells", "batch_size", "image_size", "repeats"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.channels % max(PARTS):
            raise ArgumentError(f"channels must be a multiple of {max(PARTS)}, got {self.channels}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ArgumentError("device is 'cuda', but there is no CUDA device here")

    def run(self) -> dict[str, Any]:
        """Measures everything; the ratios are to the textbook variant of the same turn."""
        device = torch.device(
            "cuda" if self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available()) else "cpu"
        )
        modules = {
            "textbook": TextbookSearch(self._classifier("textbook")),
            "textbook form, our step": self._search("textbook"),
            "ours": self._search("fused"),
            **{f"ours, 1/{parts} of the channels": self._search("fused", parts) for parts in PARTS},
        }
        variants = {name: Variant(name, [], 0, 0, 0) for name in modules}
        with Progress(transient=True) as progress:
            work = progress.add_task("steps", total=len(modules) * (self.repeats + 2))
            for name, module in modules.items():
                self._measure_memory(variants[name], module, device)
                progress.advance(work)
            for turn in range(self.repeats + 1):
                for name, module in modules.items():
                    seconds = self._fit(module, device)
                    if turn:  # the first is a warm-up
                        variants[name].seconds.append(seconds)
                    progress.advance(work)
        return {
            "settings": asdict(self),
            **_machine(device),
            "variants": [_row(v, variants) for v in variants.values()],
        }

    @staticmethod
    def render(results: Sequence[Mapping[str, Any]]) -> Table:
        """One row per variant of the first result."""
        return as_table(results[0])

    def _classifier(self, form: Form) -> Classifier:
        torch.manual_seed(self.seed)
        supernet = Darts(channels=self.channels, cells=self.cells).supernet()
        supernet.set_form(form)
        return Classifier(supernet)

    def _search(self, form: Form, partial_channels: int = 1) -> SearchModule:
        strategy = DartsStrategy(partial_channels=partial_channels, edge_weights=partial_channels > 1)
        return SearchModule(self._classifier(form), strategy, gradient_clip_val=CLIP, seed=self.seed)

    def _data(self) -> BilevelDataModule:
        generator = torch.Generator().manual_seed(self.seed)
        shape = (2 * self.batch_size, 3, self.image_size, self.image_size)
        labels = torch.randint(CLASSES, shape[:1], generator=generator)
        images = Images(torch.randn(shape, generator=generator), labels, self.batch_size)
        return BilevelDataModule(images, seed=self.seed, stratify=False)

    def _fit(self, module: pl.LightningModule, device: torch.device, inside: Any = None) -> float:
        """Seconds of one step in a Trainer, as a user gets it."""
        watch = _Stopwatch(device)
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # says the same for every step
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[watch, *([inside] if inside else [])],
        )
        trainer.fit(module, self._data())
        return watch.seconds[0]

    def _measure_memory(self, variant: Variant, module: Any, device: torch.device) -> None:
        images = torch.randn(self.batch_size, 3, self.image_size, self.image_size, device=device)
        labels = torch.zeros(self.batch_size, dtype=torch.long, device=device)
        module.to(device)
        parameters = list(module.parameters())
        variant.saved_bytes = saved_bytes(lambda: module.model.training_step((images, labels), 0), parameters)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._fit(module, device)
            variant.peak_bytes = torch.cuda.max_memory_allocated(device)
            return
        metered = _Metered()
        self._fit(module, device, metered)
        variant.peak_bytes, variant.operator_calls = metered.meter.peak, metered.meter.calls


class _Metered(pl.Callback):
    def __init__(self) -> None:
        self.meter = OperatorMeter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.meter.__enter__()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.meter.__exit__(None, None, None)


def _row(variant: Variant, variants: dict[str, Variant]) -> dict[str, Any]:
    base = variants["textbook"]
    paired = [ours / theirs for ours, theirs in zip(variant.seconds, base.seconds, strict=True)]
    ratio: Callable[[int, int], float | None] = lambda ours, theirs: ours / theirs if theirs else None  # noqa: E731
    return {
        **asdict(variant),
        "ratios": {
            "seconds": {"median": statistics.median(paired), "min": min(paired), "max": max(paired)},
            "saved_bytes": ratio(variant.saved_bytes, base.saved_bytes),
            "peak_bytes": ratio(variant.peak_bytes, base.peak_bytes),
            "operator_calls": ratio(variant.operator_calls, base.operator_calls),
        },
    }


def _machine(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {"device": f"{device.type}: {name}", "threads": torch.get_num_threads(), "torch": torch.__version__}


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
