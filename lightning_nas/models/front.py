"""The front of a finished search: its networks with what they reach and cost, ready to use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from lightning_nas.architecture import Architecture
from lightning_nas.cost import Latency
from lightning_nas.errors import ArgumentError, MissingFileError, WeightsError
from lightning_nas.models.of_run import make_of, task_node
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Front as FrontRecord
from lightning_nas.runs.contents import checked, read_text
from lightning_nas.search.tasks import bound_task


@dataclass(frozen=True)
class FrontNetwork:
    """One network of a front.

    Args:
        number: Its place, cheapest first.
        metric: What it reached in validation.
        inherited: The same before it was tuned by itself; equal where tuning did not help.
        macs: Multiply-adds of the whole network for one image.
        params: Parameters of the whole network.
        latency: Measured where the search ran.
        folder: Holds its record and its weights.
        run: Folder of the search.
        task_arguments: What the data of the search say that its task is built with.
    """

    number: int
    metric: float
    inherited: float
    macs: int
    params: int
    latency: Latency | None
    folder: RunFolder
    run: RunFolder
    task_arguments: dict[str, Any]

    @property
    def latency_ms(self) -> float | None:
        """The median of the latency."""
        return None if self.latency is None else self.latency.median_ms

    @property
    def architecture(self) -> Architecture:
        """The record."""
        return Architecture.load(self.folder.architecture)

    def model(self, make_task: Callable[[Any], Any] | None = None, *, allow: Sequence[str] = ()) -> Any:
        """The whole trained network in evaluation mode: the search's task around an ordinary backbone.

        Args:
            make_task: Backbone -> the module that was searched. None: the task of the run's config, if a command made the run.
            allow: Dotted names of classes of others that this config may name.

        Raises:
            ConfigError: If there is no config, or it names a class of others.
            WeightsError: If the weights are of another network.
        """
        make = _task_of(self.run, self.task_arguments, allow) if make_task is None else make_task
        task = make(build_network(self.architecture))
        try:
            task.load_state_dict(read_state_dict(self.folder.weights))
        except RuntimeError as error:
            said = " ".join(str(error).split())[:300]
            raise WeightsError(f"{self.folder.weights}: the weights of another network: {said}") from None
        return task.eval()


class Front(Sequence[FrontNetwork]):
    """The networks of a front, cheapest first; prints as a table.

    Args:
        networks: Of the front.
        metric: Name of what they reached.
        chosen: Place of the one that is the architecture of the run.
    """

    def __init__(self, networks: Sequence[FrontNetwork], metric: str, chosen: int) -> None:
        self._networks, self.metric, self.chosen = tuple(networks), metric, chosen

    @overload
    def __getitem__(self, index: int) -> FrontNetwork: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[FrontNetwork]: ...

    def __getitem__(self, index: int | slice) -> FrontNetwork | Sequence[FrontNetwork]:
        return self._networks[index]

    def __len__(self) -> int:
        return len(self._networks)

    def __iter__(self) -> Iterator[FrontNetwork]:
        return iter(self._networks)

    def best(
        self, *, latency_ms: float | None = None, macs: float | None = None, params: float | None = None
    ) -> FrontNetwork:
        """The network with the best metric within limits.

        Args:
            latency_ms: Most milliseconds, as measured where the search ran.
            macs: Most multiply-adds.
            params: Most parameters.

        Raises:
            ArgumentError: If none keeps them.
        """
        given = {"latency_ms": latency_ms, "macs": macs, "params": params}
        limits = {name: limit for name, limit in given.items() if limit is not None}
        costs = [{name: getattr(one, name) for name in limits} for one in self]
        kept = [
            one
            for one, cost in zip(self, costs, strict=True)
            if all(cost[name] is not None and cost[name] <= limit for name, limit in limits.items())
        ]
        if kept:
            return max(kept, key=lambda one: one.metric)
        least = {name: min((cost[name] for cost in costs if cost[name] is not None), default=None) for name in limits}
        raise ArgumentError(f"no network of the front keeps {limits}; the least of each is {least}")

    def __repr__(self) -> str:
        rows = [("", self.metric, "latency ms", "MACs (M)", "params (M)")]
        for one in self:
            latency = "-" if one.latency_ms is None else f"{one.latency_ms:.2f}"
            mark = f"{one.number}*" if one.number == self.chosen else str(one.number)
            rows.append((mark, f"{one.metric:.4f}", latency, f"{one.macs / 1e6:.2f}", f"{one.params / 1e6:.3f}"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def load_front(run: str | os.PathLike[str]) -> Front:
    """The front of a search with the strategy ``elastic``.

    Args:
        run: Folder of the search.

    Raises:
        MissingFileError: If it holds no front.
        RunFolderError: If its record is damaged.

    Example:
        >>> front = load_front("runs/search/mine")  # doctest: +SKIP
        >>> model = front.best(latency_ms=12).model()  # doctest: +SKIP
    """
    folder = RunFolder(run)
    if not folder.front_record.is_file():
        raise MissingFileError(
            f"run = {str(run)!r}: there is no {folder.named(folder.front_record)}: no finished search with strategy=elastic"
        )
    record = checked(read_text(folder.front_record), FrontRecord, str(folder.front_record))
    networks = [
        FrontNetwork(
            entry["number"], entry["metric"], entry["inherited"], entry["macs"], entry["params"],
            None if entry.get("latency") is None else Latency(**entry["latency"]), folder.front_network(entry["number"]),
            folder, record.get("task_arguments", {}),
        )
        for entry in record["networks"]
    ]  # fmt: skip
    numbers = [network.number for network in networks]
    return Front(networks, record["metric"], numbers.index(record["chosen"]))


def _task_of(run: RunFolder, arguments: dict[str, Any], allow: Sequence[str]) -> Callable[[Any], Any]:
    return bound_task(make_of(task_node(run, evaluated=False), allow), arguments)
