"""Latency of the networks of a supernet: measured for a few and for what is kept, predicted for all others."""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch

from lightning_nas.architecture import Choices, write_atomic
from lightning_nas.cost import AdditiveLatency, Latency
from lightning_nas.cost.probe import random_numbers_kept
from lightning_nas.errors import ArgumentError, ExportError, MissingPackageError, RunFolderError
from lightning_nas.runs.contents import MeasuredLatencies, checked, read_text
from lightning_nas.search.costs import Part, cost_of_task, exported_latency_of_task, macs_of_choice
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.distributed import of_first_rank
from lightning_nas.search.lightning.families import pl

SAMPLES = 24
"""Random networks that are measured before a search that minimises or limits latency."""


def deployed_latency(task: Any, datamodule: Any, device: torch.device, *, strict: bool = True) -> Latency:
    """Latency of the whole network of a task: on a CPU that of its ONNX file in ONNX Runtime, on a GPU PyTorch's own.

    Args:
        task: With its network.
        datamodule: Tells the size of an image if the task does not.
        device: Where the search runs.
        strict: Whether a network that cannot be exported, or a missing ONNX Runtime, is an error. If not, a warning says so,
            and PyTorch's own latency is measured; the record says which one it is.

    Raises:
        ExportError: If the network cannot be exported.
        MissingPackageError: If ONNX Runtime is not installed.
        UncountableError: If the task's ``forward`` cannot be run.
    """
    if device.type == "cpu":
        try:
            return exported_latency_of_task(task, datamodule)
        except (ExportError, MissingPackageError) as error:
            if strict:
                raise
            pl.utilities.rank_zero_warn(f"latency is that of PyTorch, not of an exported file: {error}")
    parts: tuple[Part, ...] = ("network",)
    cost = cost_of_task(task, datamodule, device, timed=parts).network
    assert cost is not None
    assert cost.latency is not None
    return cost.latency


class PredictedLatency:
    """Median latency of any network of a job's space, by an additive model of :data:`SAMPLES` measured ones.

    Of a space with no more networks than that, each is measured when it is asked for. What was measured is kept in the run's
    folder, so that a search that goes on predicts as before.

    Args:
        job: The search.
        device: Where it runs.
    """

    def __init__(self, job: Job, device: torch.device) -> None:
        self._job, self._device = job, device
        self._known = self._read()

    def __call__(self, choices: Choices) -> float:
        """Milliseconds."""
        if self._job.space.size() <= SAMPLES:
            return float(self._measured(choices)["median_ms"])
        macs = self._macs(choices)
        return float(self.model.predict(self._job.space.encode(choices).numpy()[None], [macs])[0])

    @cached_property
    def model(self) -> AdditiveLatency:
        """The model, which says how far it is off."""
        space, rng = self._job.space, random.Random(self._job.seed)
        drawn: list[Choices] = []
        with contextlib.suppress(ArgumentError):  # options may have no order of size
            drawn += [space.smallest(), space.largest()]
        while len(drawn) < SAMPLES:
            drawn.append(space.sample(rng))
        times = [self._measured(choices)["median_ms"] for choices in drawn]
        codes = torch.stack([space.encode(choices) for choices in drawn]).numpy()
        return AdditiveLatency.fit(codes, [self._macs(choices) for choices in drawn], times)

    def described(self) -> str:
        """How latency was predicted, and how far that is off."""
        return "each network was measured" if self._job.space.size() <= SAMPLES else str(self.model)

    def _macs(self, choices: Choices) -> float:
        job = self._job
        return float(macs_of_choice(job.supernet_task, job.datamodule, lambda: job.space.network(choices)))

    def _measured(self, choices: Choices) -> dict[str, Any]:
        text = self._job.space.to_text(choices)
        if text not in self._known:
            with random_numbers_kept():
                task = self._job.supernet_task(self._job.space.network(choices))
                latency = asdict(deployed_latency(task, self._job.datamodule, self._device))
            latency["median_ms"] = of_first_rank(latency["median_ms"])
            self._known[text] = latency
            write_atomic(self._job.run.latencies, json.dumps({"networks": self._known}, indent=1) + "\n")
        return self._known[text]

    def _read(self) -> dict[str, dict[str, Any]]:
        path = self._job.run.latencies
        if not path.is_file():
            return {}
        found: dict[str, dict[str, Any]] = checked(read_text(path), MeasuredLatencies, str(path))["networks"]
        for text in found:
            try:
                self._job.space.from_text(text)
            except ValueError as error:
                raise RunFolderError(f"{path}: not networks of this search: {error}") from error
        return found
