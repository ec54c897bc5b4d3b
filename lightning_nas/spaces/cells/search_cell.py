"""The cell of the DARTS kind that mixes all candidates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.mixer import State, Term
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces.cells.cell import Preprocess
from lightning_nas.spaces.option_weights import OptionWeights


class SearchCell(Mixing, Recomputable):
    """The cell of the supernet: every node sums the mixed operations on all earlier states.

    Edges are numbered node by node, sources ascending: 14 for four nodes.
    """

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
        result: Tensor = self.maybe_recomputed(self._compute, older, newer, weights[self.group])
        return result

    def _compute(self, older: Tensor, newer: Tensor, mine: OptionWeights) -> Tensor:
        mixer, inputs = self.mixer(), self.preprocess
        entered = inputs(mixer.entering(inputs.older, older), mixer.entering(inputs.newer, newer))
        states = [mixer.state(x) for x in entered]
        edges = iter(zip(self.edges, mine.rows(), strict=True))
        for _ in range(self.steps):
            terms = [Term(edge, state, *row) for state, (edge, row) in zip(states, edges, strict=False)]
            total = mixer.node(terms)
            states.append(mixer.state(self._empty(states) if total is None else total))
        mixer.close()
        return torch.cat([state.x for state in states[2:]], dim=1)

    def _empty(self, states: Sequence[State]) -> Tensor:
        """A node that nothing enters."""
        step = self.edges[0].stride
        return torch.zeros_like(states[2].x if len(states) > 2 else states[1].x[:, :, ::step, ::step])
