"""GAS: draws of the concrete distribution, and a price for latency.

Source: Lin et al. 2020, "Graph-guided Architecture Search for Real-time Semantic Segmentation", arXiv 1909.06793, section
3.3. Its graph-guided part belongs to the space of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from lightning_nas.cost import LatencyTable, OpKey
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import OptionWeights, Supernet
from lightning_nas.strategies.gradient.base import GradientStrategy
from lightning_nas.strategies.gradient.functional import expected_cost, gumbel_soft


class Gas(GradientStrategy):
    """Soft samples of every edge, and a loss ``task + latency_weight * log(expected latency)``.

    The latency is that of the operations of the cells, added up with the probabilities of their logits from a table that is
    measured on the device of the search, for one image. It is a price for choices, not the latency of a
    network: the sums between operations, the stem and the head of the task take time that no choice changes, and are not in
    it. Reports measure the found network, whole.

    Args:
        latency_weight: Weight of the logarithm of the latency; 0 measures nothing.
        table: File of the table: read if it is there, else measured and written. None: measured and kept in the checkpoint.
        tau_start: First temperature.
        tau_end: Last temperature; falls linearly over the epochs.
        seed: Of the sampling.
        level: ``"bi"`` trains logits and weights on separate halves of the data, ``"single"`` both on all of it.
        lr: Learning rate of the logits' Adam.
        betas: Decay of Adam's averages of the gradient and of its square.
        weight_decay: Weight decay of the logits.

    Attributes:
        tau: The current temperature; a callback lowers it.
        costs: Group -> ``(edges, options)`` in milliseconds; empty before a search.

    Example:
        >>> Gas(lr=0.01).lr
        0.01
    """

    def __init__(
        self,
        *,
        latency_weight: float = 0.1,
        table: str | None = None,
        tau_start: float = 1.0,
        tau_end: float = 0.03,
        seed: int = 0,
        level: Literal["bi", "single"] = "bi",
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 1e-3,
    ) -> None:
        super().__init__(level=level, lr=lr, betas=betas, weight_decay=weight_decay)
        if not 0 < tau_end <= tau_start:
            raise ArgumentError(f"tau_end must be positive and at most tau_start = {tau_start}, got {tau_end}")
        if latency_weight < 0:
            raise ArgumentError(f"latency_weight must be at least 0, got {latency_weight}")
        self.latency_weight, self.table = latency_weight, None if table is None else Path(table)
        self.tau_start, self.tau_end, self.tau = tau_start, tau_end, tau_start
        self._seed, self.generator = seed, torch.Generator().manual_seed(seed)
        self.costs: dict[str, Tensor] = {}

    def seed_batch(self, number: int) -> None:
        """Draws anew from here on."""
        self.generator.manual_seed(number + self._seed)

    def relax(self, logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
        """A soft sample per edge."""
        return {name: gumbel_soft(group, self.tau, self.generator) for name, group in logits.items()}

    def prepare(self, supernet: Supernet, input_size: Callable[[], tuple[int, int, int]], device: torch.device) -> None:
        """Measures or reads the latency of all operations of the supernet, for images of the task.

        Raises:
            ValueError: If the space does not say where its operations stand.
            KeyError: If a table that is read lacks an operation.
        """
        if self.latency_weight == 0:
            return
        _, height, width = input_size()
        placements = supernet.placements(height, width)
        if placements is None:
            raise ArgumentError(
                f"latency_weight = {self.latency_weight}: the space {supernet.space.name!r} does not say where its "
                "operations stand (placements); use latency_weight=0 or the space 'gas'"
            )
        keys = {
            group: [
                [OpKey(op, p.channels, p.channels, p.height, p.width, p.stride) for op in supernet.space.ops]
                for p in places
            ]
            for group, places in placements.items()
        }
        if self.table is not None and self.table.is_file():
            table = LatencyTable.load(self.table)
        else:
            table = LatencyTable.measure({key for rows in keys.values() for row in rows for key in row}, device)
            if self.table is not None:
                table.save(self.table)
        self.costs = {
            group: torch.tensor([[table.lookup(key) for key in row] for row in rows]) for group, rows in keys.items()
        }

    def expected_latency(self, supernet: Supernet) -> Tensor:
        """Milliseconds of all operations, weighted with the softmax of the logits."""
        logits = supernet.decision_logits()
        return expected_cost({name: logits[name].softmax(dim=-1) for name in self.costs}, self.costs)

    def penalty(self, supernet: Supernet) -> Tensor | None:
        """``latency_weight * log(expected latency)``."""
        return self.latency_weight * self.expected_latency(supernet).log() if self.costs else None

    def state_dict(self) -> dict[str, Any]:
        """Temperature, generator and the latencies, so that a resumed search pays the same prices."""
        return {"tau": self.tau, "generator": self.generator.get_state(), "costs": self.costs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes all of it back."""
        self.tau = state["tau"]
        self.generator.set_state(state["generator"])
        self.costs = dict(state["costs"])
