"""Measured latency, with its spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lightning_nas.cost.probe import Call, evaluating, probe_input
from lightning_nas.errors import ArgumentError

MIN_RUNS = 100
"""Below that a tenth percentile says little."""

FEWEST = 10
"""Timed passes where the time is limited."""


@dataclass(frozen=True)
class Latency:
    """Time of one forward pass in milliseconds: median, 10th and 90th percentile, and how it was measured.

    Args:
        median_ms: Half of the passes took longer.
        p10_ms: A tenth was faster.
        p90_ms: A tenth was slower.
        device: ``cpu``, or the name of the GPU.
        runs: Timed passes.
        batch_size: Images per pass.
        threads: Of the runtime on a CPU.
        p95_ms: A twentieth was slower; None in a record of an earlier version.
        runtime: ``torch``, or ``onnxruntime`` and its version.
        precision: Of the weights.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    device: str
    runs: int
    batch_size: int
    threads: int
    p95_ms: float | None = None
    runtime: str = "torch"
    precision: str = "float32"

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
        raise ArgumentError(f"runs must be at least {MIN_RUNS}, got {runs!r}")
    if warmup < 0:
        raise ArgumentError(f"warmup must not be negative, got {warmup!r}")
    x = probe_input(module, input_size, batch_size)
    x = x if device is None else x.to(device)
    times = _times(module, Call((x,)), x.device, warmup, runs, float("inf"))
    return _of_torch(times, module, x.device, batch_size)


def latency_of_call(module: nn.Module, call: Call, device: torch.device, *, seconds: float) -> Latency:
    """Times a forward pass for one image as :func:`measure_latency` does, with a limit on how long that may take.

    Args:
        module: Any module.
        call: What its forward pass is given.
        device: Where both are.
        seconds: After which no more passes are begun: fewer than 100 are timed then, but at least 10.
    """
    return _of_torch(_times(module, call, device, 10, MIN_RUNS, seconds), module, device, 1)


def timed(
    run: Callable[[], object], *, warmup: int, runs: int = MIN_RUNS, seconds: float = float("inf")
) -> list[float]:
    """Milliseconds of every timed pass; the passes before them take a tenth of the seconds at most.

    Args:
        run: One pass; it waits until that has ended.
        warmup: Passes that are not timed.
        runs: Timed passes.
        seconds: After which no more passes are begun: fewer are timed then, but at least 10.
    """
    times: list[float] = []
    begin = time.perf_counter()
    for index in range(warmup):
        if index and time.perf_counter() - begin > seconds / 10:
            break
        run()
    while len(times) < runs and (len(times) < FEWEST or time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return times


def summarized(times: Sequence[float], *, device: str, batch_size: int, threads: int, **others: str) -> Latency:
    """Median and percentiles of timed passes.

    Args:
        times: In milliseconds.
        device: Where they ran.
        batch_size: Images per pass.
        threads: Of the runtime.
        others: ``runtime`` and ``precision``.
    """
    twentieths = statistics.quantiles(times, n=20, method="inclusive")
    median, tenth, last_tenth = statistics.median(times), twentieths[1], twentieths[17]
    return Latency(median, tenth, last_tenth, device, len(times), batch_size, threads, twentieths[18], **others)


def _times(module: nn.Module, call: Call, device: torch.device, warmup: int, runs: int, seconds: float) -> list[float]:
    def run() -> None:
        call.of(module)
        _wait(device)

    with evaluating(module):
        return timed(run, warmup=warmup, runs=runs, seconds=seconds)


def _of_torch(times: Sequence[float], module: nn.Module, device: torch.device, batch_size: int) -> Latency:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    first = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
    precision = str(first).removeprefix("torch.")
    return summarized(times, device=name, batch_size=batch_size, threads=torch.get_num_threads(), precision=precision)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
