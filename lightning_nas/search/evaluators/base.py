"""What an evaluator gets to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from lightning_nas.architecture import Choices
from lightning_nas.cost import count_macs, count_parameters, measure_latency
from lightning_nas.search.families import pl
from lightning_nas.spaces import Backbone, SearchSpace

COSTS = ("parameters", "macs", "latency_ms")
"""What every network can be measured by, beside the metric."""


@dataclass(frozen=True)
class Workplace:
    """Everything that belongs to a search, for evaluators that need it.

    Args:
        space: The search space.
        datamodule: The data.
        make_task: Backbone -> the task.
        make_trainer: Folder, number of epochs, callbacks -> a Trainer that writes there.
        make_silent_trainer: Gives a Trainer that validates and writes nothing.
        folder: Of the run.
        seed: Of everything random.
    """

    space: SearchSpace
    datamodule: Any
    make_task: Callable[[Backbone], pl.LightningModule]
    make_trainer: Callable[[Path, int, Sequence[pl.Callback]], pl.Trainer]
    make_silent_trainer: Callable[[], pl.Trainer]
    folder: Path
    seed: int


class WithCosts:
    """An evaluator whose results hold costs of the network as well.

    Args:
        evaluator: Measures the metric.
        costs: Names of :data:`COSTS`; what the evaluator measures itself is not measured again.
        space: The search space.
        input_size: Gives channels, height and width of an image.
    """

    def __init__(
        self,
        evaluator: Callable[[Choices, optuna.Trial], Mapping[str, float]],
        costs: Sequence[str],
        space: SearchSpace,
        input_size: Callable[[], tuple[int, int, int]],
    ) -> None:
        self.evaluator, self.costs, self.space, self.input_size = evaluator, tuple(costs), space, input_size

    def __call__(self, choices: Choices, trial: optuna.Trial) -> dict[str, float]:
        """Everything that was measured.

        Raises:
            ValueError: If a cost is neither one of :data:`COSTS` nor measured by the evaluator.
        """
        measured = dict(self.evaluator(choices, trial))
        missing = [name for name in self.costs if name not in measured]
        for name in missing:
            if name not in COSTS:
                raise ValueError(
                    f"costs: {name!r} is neither one of {COSTS} nor measured; measured are {sorted(measured)}"
                )
        if missing:
            network = self.space.network(choices)
            for name in missing:
                measured[name] = _cost(name, network, self.input_size())
        return measured


def _cost(name: str, network: Backbone, size: tuple[int, int, int]) -> float:
    if name == "parameters":
        return float(count_parameters(network))
    return float(count_macs(network, size)) if name == "macs" else measure_latency(network, size).median_ms
