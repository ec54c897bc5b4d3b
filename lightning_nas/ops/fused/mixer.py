"""The fast way of computing a cell: what states and nodes share is computed once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops.fused.known import in_safe_layout
from lightning_nas.ops.fused.node import FusedNode
from lightning_nas.ops.fused.state import SharedState
from lightning_nas.ops.fused.statistics import RunningStatistics
from lightning_nas.ops.mixer import State, Term


class FusedMixer:
    """All edges of a node together, channels-last; differentiable once. See :mod:`lightning_nas.ops.fused.node`."""

    def __init__(self) -> None:
        self._statistics = RunningStatistics()

    def entering(self, module: nn.Module, x: Tensor) -> Tensor:
        """Channels-last, but for modules that are wrong or slow in it."""
        return in_safe_layout(module, x)

    def state(self, x: Tensor) -> State:
        """A state whose edges share what they can."""
        return SharedState(x)

    def node(self, terms: Sequence[Term], start: Tensor | None = None) -> Tensor | None:
        """The sum of all edges in as few steps as possible."""
        if not terms:
            return start
        node = FusedNode(torch.cat([term.values for term in terms]), self._statistics)
        first = 0
        for edge, state, values, active in terms:
            assert isinstance(state, SharedState)  # ours
            node.add_edge(edge, state, first, active)
            first += len(values)
        total = node.total()
        return total if start is None else start if total is None else start + total

    def close(self) -> None:
        """Moves the running statistics of all BatchNorms."""
        self._statistics.apply()
