"""The cell of the DARTS kind that mixes all candidates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops.checkpointing import Recomputable
from lightning_nas.ops.fused import FusedNode
from lightning_nas.ops.fused_known import in_safe_layout
from lightning_nas.ops.fused_state import SharedState
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.running_statistics import RunningStatistics
from lightning_nas.spaces.cells.cell import Preprocess
from lightning_nas.spaces.supernet import Form, OptionWeights


class SearchCell(Recomputable):
    """The cell of the supernet: every node sums the mixed operations on all earlier states.

    Edges are numbered node by node, sources ascending: 14 for four nodes.

    Attributes:
        form: ``"fused"`` computes all edges of a node together, ``"textbook"`` every candidate by itself. Modules,
            parameters and results are the same; only the textbook form can be differentiated twice.
    """

    form: Form = "fused"

    def __init__(
        self,
        names: Sequence[str],
        steps: int,
        c_prev_prev: int,
        c_prev: int,
        channels: int,
        reduction: bool,
        reduction_prev: bool,
    ) -> None:
        super().__init__()
        self.group = "reduce" if reduction else "normal"
        self.steps = steps
        self.preprocess = Preprocess(c_prev_prev, c_prev, channels, reduction_prev, affine=False)
        self.edges = nn.ModuleList(
            MixedOp(names, channels, 2 if reduction and source < 2 else 1)
            for node in range(steps)
            for source in range(node + 2)
        )

    def forward(self, older: Tensor, newer: Tensor, weights: dict[str, OptionWeights]) -> Tensor:
        """The concatenated nodes, ``(B, steps * channels, H, W)``."""
        compute = self._fused if self.form == "fused" else self._textbook
        result: Tensor = self.maybe_recomputed(compute, older, newer, weights[self.group])
        return result

    def _textbook(self, older: Tensor, newer: Tensor, mine: OptionWeights) -> Tensor:
        states = list(self.preprocess(older, newer))
        edge = 0
        for _ in range(self.steps):
            total: Tensor | None = None
            for state in tuple(states):
                active = None if mine.active is None else mine.active[edge]
                term = self.edges[edge](state, mine.values[edge], active)
                if term is not None:
                    total = term if total is None else total + term
                edge += 1
            states.append(self._empty(states) if total is None else total)
        return torch.cat(states[2:], dim=1)

    def _fused(self, older: Tensor, newer: Tensor, mine: OptionWeights) -> Tensor:
        older, newer = in_safe_layout(self.preprocess.older, older), in_safe_layout(self.preprocess.newer, newer)
        states = [SharedState(x) for x in self.preprocess(older, newer)]
        options = mine.values.shape[1]
        statistics = RunningStatistics()
        start = 0
        for _ in range(self.steps):
            stop = start + len(states)
            node = FusedNode(mine.values[start:stop].flatten(), statistics)
            for source, state in enumerate(states):
                active = None if mine.active is None else mine.active[start + source]
                node.add_edge(self.edges[start + source], state, source * options, active)
            total = node.total()
            states.append(SharedState(self._empty([state.x for state in states]) if total is None else total))
            start = stop
        statistics.apply()
        return torch.cat([state.x for state in states[2:]], dim=1)

    def _empty(self, states: Sequence[Tensor]) -> Tensor:
        """A node that nothing enters."""
        like = states[2] if len(states) > 2 else states[1][:, :, :: self.edges[0].stride, :: self.edges[0].stride]
        return torch.zeros_like(like)
