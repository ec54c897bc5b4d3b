"""Measured latency of single operations: the table from which the latency of the cells of a network is added up."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from rich.progress import track

from lightning_nas.architecture import decode_text, parse_json, write_atomic
from lightning_nas.cost.latency import measure_latency
from lightning_nas.errors import ArgumentError
from lightning_nas.ops import build_op
from lightning_nas.ops.candidates.parameter_free import Zero


class OpKey(NamedTuple):
    """An operation in its place: name, channels of input and output, size of the input, stride."""

    op: str
    in_channels: int
    out_channels: int
    height: int
    width: int
    stride: int


@dataclass(frozen=True)
class LatencyTable:
    """Medians of measured times in milliseconds.

    Args:
        times: Operation in its place -> milliseconds.
        device: Where they were measured.
    """

    times: Mapping[OpKey, float]
    device: str

    @classmethod
    def measure(
        cls, keys: Iterable[OpKey], device: torch.device | str = "cpu", *, warmup: int = 50, runs: int = 100
    ) -> LatencyTable:
        """Times one forward pass of one image for every operation; ``none`` takes no time.

        Args:
            keys: The operations.
            device: Where to run them.
            warmup: Passes that are not timed.
            runs: Timed passes, at least 100; their median counts.
        """
        times: dict[OpKey, float] = {}
        name = str(device)
        for key in track(sorted(set(keys)), "measuring operations", transient=True):
            op = build_op(key.op, key.in_channels, key.out_channels, stride=key.stride).to(device)
            if isinstance(op, Zero):
                times[key] = 0.0
                continue
            size = (key.in_channels, key.height, key.width)
            latency = measure_latency(op, size, warmup=warmup, runs=runs, device=device)
            times[key], name = latency.median_ms, latency.device
        return cls(times, name)

    def lookup(self, key: OpKey) -> float:
        """The time of an operation.

        Raises:
            KeyError: If it was not measured.
        """
        if key not in self.times:
            raise KeyError(
                f"the latency table of {self.device} lacks {key}; measure it anew for this image size and space"
            )
        return self.times[key]

    def save(self, path: str | Path) -> None:
        """Writes the table as JSON."""
        rows = [[*key, time] for key, time in sorted(self.times.items())]
        write_atomic(Path(path), json.dumps({"device": self.device, "unit": "ms", "rows": rows}, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> LatencyTable:
        """Reads a table.

        Raises:
            ValueError: If the file is not one.
        """
        try:
            data = parse_json(decode_text(Path(path).read_bytes()))
            times = {}
            for op, *numbers, time in data["rows"]:
                key = OpKey(str(op), *(int(number) for number in numbers))
                times[key] = float(time)
                if not 0 <= times[key] < math.inf:
                    raise ArgumentError(f"{key} takes {time!r} ms")
            return cls(times, str(data["device"]))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ArgumentError(f"{path}: not a latency table ({error})") from None
