"""The latency of the operations of the cells, from a table that was measured once: the price of GAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.cost import Call, LatencyTable, OpKey
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.terms.base import Term
from lightning_nas.strategies.gradient.terms.reaching import call_reaching, one_architecture


class CellLatency(Term):
    """``log LAT``, where ``LAT`` is the sum over cells, edges and operations of ``p * t``.

    ``t`` is what an operation in its place takes for one image, from a table that is measured on the device of the search, or
    that was measured before. It is a price for choices, not the latency of a network: the sums between operations, the stem and
    the head of the task take time that no choice changes, and are not in it. (:class:`Latency` is that of the whole network.)

    Source: Lin et al. 2020, "Graph-guided Architecture Search for Real-time Semantic Segmentation", arXiv 1909.06793, section
    3.3.

    Args:
        weight: Of the term.
        table: File of the table: read if it is there, else measured and written. None: measured and kept in the checkpoint.

    Attributes:
        costs: Group -> ``(edges, options)`` in milliseconds; empty before a search.

    Example:
        >>> CellLatency(weight=0.1)
        CellLatency(weight=0.1, table=None)
    """

    def __init__(self, *, weight: float = 0.0, table: str | None = None) -> None:
        check_between("terms.latency", weight, 0)
        self.weight, self.now, self.table = weight, weight, table
        self.costs: dict[str, Tensor] = {}

    def check(self, supernet: Supernet) -> None:
        """The space must say where its operations stand."""
        if supernet.placements(32, 32) is None:
            raise ArgumentError(
                f"{self!r}: the space {supernet.space.name!r} does not say where its operations stand "
                "(Supernet.placements); use the space 'gas', or the latency of the whole network, "
                f"strategy.terms.latency={self.weight}"
            )

    def prepare(
        self, supernet: Supernet, model: nn.Module, call: Callable[[], Call], choices: Mapping[str, Any]
    ) -> None:
        """Measures or reads the latency of all operations of the supernet, for images of the task.

        Raises:
            KeyError: If a table that is read lacks an operation.
        """
        with one_architecture(supernet, choices):
            (image,) = call_reaching(supernet, model, call()).args
        placements = supernet.placements(*image.shape[-2:])
        assert placements is not None, "check() refuses the others"
        ops = supernet.space.ops
        keys = {
            group: [[OpKey(op, p.channels, p.channels, p.height, p.width, p.stride) for op in ops] for p in places]
            for group, places in placements.items()
        }
        table = self._table({key for rows in keys.values() for row in rows for key in row}, supernet)
        self.costs = {
            group: torch.tensor([[table.lookup(key) for key in row] for row in rows]) for group, rows in keys.items()
        }

    def _table(self, keys: set[OpKey], supernet: Supernet) -> LatencyTable:
        path = None if self.table is None else Path(self.table)
        if path is not None and path.is_file():
            return LatencyTable.load(path)
        table = LatencyTable.measure(keys, next(supernet.parameters()).device)
        if path is not None:
            table.save(path)
        return table

    def expected(self, mean: Mapping[str, Tensor]) -> Tensor:
        """``LAT``, in milliseconds; of one-hot weights the sum of what the chosen operations take.

        Args:
            mean: Group -> mean weights of the options, ``(edges, options)``.
        """
        return torch.stack([(mean[name] * costs.to(mean[name])).sum() for name, costs in self.costs.items()]).sum()

    def value(self, logits: Mapping[str, Tensor], mean: Mapping[str, Tensor]) -> Tensor:
        """``log LAT``."""
        return self.expected(mean).log()

    def state_dict(self) -> dict[str, Any]:
        """The latencies, so that a resumed search pays the same prices."""
        return {"costs": self.costs}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes them back."""
        self.costs = dict(state["costs"])
