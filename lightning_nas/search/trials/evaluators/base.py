"""Costs beside what an evaluator measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import optuna
import torch

from lightning_nas.architecture import Choices
from lightning_nas.cost import Cost
from lightning_nas.cost.probe import random_numbers_kept
from lightning_nas.errors import JobError
from lightning_nas.search.costs import Part, cost_of_task, macs_of_choice
from lightning_nas.search.job import Job

COSTS = ("parameters", "macs", "latency_ms")
"""What every whole network can be measured by, beside the metric."""


def cost_objective(cost: str, evaluator: Any) -> str:
    """The name under which a search minimises a cost.

    One of :data:`COSTS` is that of the whole network, ``network/<cost>``, unless the evaluator has the cost among what it
    ``measures``, as a table has its columns; anything else is what the evaluator calls so.
    """
    known = cost in COSTS and cost not in getattr(evaluator, "measures", ())
    return f"network/{cost}" if known else cost


class WithCosts:
    """An evaluator whose results hold costs of the network as well.

    They are those of the whole network (:func:`~lightning_nas.search.costs.cost_of_task`), as ``network/<cost>``; beside
    its parameters and multiply-adds stand those of the ``backbone/`` alone. Latency is measured on the device of the
    Trainers, of the untrained network.

    Args:
        evaluator: Measures the metric.
        costs: Names of :data:`COSTS`, or of what the evaluator measures itself, which is not measured again.
        job: The search.
    """

    def __init__(
        self,
        evaluator: Callable[[Choices, optuna.Trial], Mapping[str, float]],
        costs: Sequence[str],
        job: Job,
    ) -> None:
        self.evaluator, self.costs, self.job = evaluator, tuple(costs), job
        self.wanted = tuple(cost for cost in costs if cost_objective(cost, evaluator) != cost)
        self.device: torch.device | str = "cpu"
        if "latency_ms" in self.wanted:
            self.device = job.trainers.silent(job.folder).strategy.root_device

    def __call__(self, choices: Choices, trial: optuna.Trial) -> dict[str, float]:
        """Everything that was measured.

        Raises:
            JobError: If a cost is neither one of :data:`COSTS` nor measured by the evaluator.
            UncountableError: If the task's ``forward`` cannot be run.
        """
        costs = self.measure(choices)  # first, as it may fail and takes less time
        measured = {**self.evaluator(choices, trial), **costs}
        for name in self.costs:
            if name not in self.wanted and name not in measured:
                raise JobError(
                    f"costs: {name!r} is neither one of {COSTS} nor measured; measured are {sorted(measured)}"
                )
        return measured

    def check(self, choices: Choices) -> None:
        """Refuses, before any trial, what no trial could count.

        Raises:
            UncountableError: If costs are wanted and the task's ``forward`` cannot be run.
        """
        if self.wanted:
            build = partial(self.job.space.network, choices)
            macs_of_choice(self.job.make_task, self.job.datamodule, build)

    def measure(self, choices: Choices) -> dict[str, float]:
        """The costs of an architecture that the evaluator does not measure.

        Raises:
            UncountableError: If the task's ``forward`` cannot be run.
        """
        if not self.wanted:
            return {}
        with random_numbers_kept():
            task = self.job.make_task(self.job.space.network(choices))
            timed: tuple[Part, ...] = ("network",) if "latency_ms" in self.wanted else ()
            cost = cost_of_task(task, self.job.datamodule, self.device, timed=timed)
        assert cost.network is not None
        whole, alone = _numbers(cost.network), _numbers(cost.backbone)
        return {f"network/{name}": whole[name] for name in self.wanted} | {
            f"backbone/{name}": alone[name] for name in self.wanted if name in alone
        }


def _numbers(cost: Cost) -> dict[str, float]:
    latency = {} if cost.latency is None else {"latency_ms": cost.latency.median_ms}
    return {"parameters": float(cost.parameters), "macs": float(cost.macs), **latency}
