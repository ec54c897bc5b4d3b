"""Measured latency, with its spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lightning_nas.cost.probe import evaluating, probe_input

MIN_RUNS = 100
"""Below that a tenth percentile says little."""


@dataclass(frozen=True)
class Latency:
    """Time of one forward pass in milliseconds: median, 10th and 90th percentile, and how it was measured."""

    median_ms: float
    p10_ms: float
    p90_ms: float
    device: str
    runs: int
    batch_size: int
    threads: int

    def __str__(self) -> str:
        return f"{self.median_ms:.2f} ms ({self.p10_ms:.2f} to {self.p90_ms:.2f}, {self.device})"


def measure_latency(
    module: nn.Module,
    input_size: Sequence[int],
    *,
    batch_size: int = 1,
    warmup: int = 10,
    runs: int = MIN_RUNS,
    device: torch.device | str | None = None,
) -> Latency:
    """Times forward passes in evaluation mode, on the device where the module is.

    Args:
        module: Maps ``(batch_size, C, H, W)`` to anything.
        input_size: ``(C, H, W)``.
        batch_size: Images per pass.
        warmup: Passes that are not timed.
        runs: Timed passes, each waited for.
        device: Where the image is made; None: where the first parameter of the module lies.

    Raises:
        ValueError: If ``runs`` is below 100, ``warmup`` negative, or the sizes are not positive.
    """
    if runs < MIN_RUNS:
        raise ValueError(f"runs must be at least {MIN_RUNS}, got {runs!r}")
    if warmup < 0:
        raise ValueError(f"warmup must not be negative, got {warmup!r}")
    x = probe_input(module, input_size, batch_size)
    x = x if device is None else x.to(device)
    times = []
    with evaluating(module):
        for _ in range(warmup):
            module(x)
        _wait(x.device)
        for _ in range(runs):
            start = time.perf_counter()
            module(x)
            _wait(x.device)
            times.append(1000 * (time.perf_counter() - start))
    tenths = statistics.quantiles(times, n=10, method="inclusive")
    name = torch.cuda.get_device_name(x.device) if x.device.type == "cuda" else x.device.type
    return Latency(statistics.median(times), tenths[0], tenths[-1], name, runs, batch_size, torch.get_num_threads())


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
