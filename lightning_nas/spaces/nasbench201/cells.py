"""Found and searched cell of NAS-Bench-201 (Dong, Yang 2020, arXiv 2001.00326)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops import Zero, build_op
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.mixer import Form, Term
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces.nasbench201.space import edges_of
from lightning_nas.spaces.option_weights import OptionWeights


class Cell(nn.Module):
    """A found cell: every node sums one operation on each earlier node; the last node is the output.

    Args:
        ops: The operation of every edge.
        nodes: Number of nodes, the input included.
        channels: Channels of all nodes.
    """

    def __init__(self, ops: Sequence[str], nodes: int, channels: int) -> None:
        super().__init__()
        self.nodes = nodes
        self.edges = nn.ModuleList(build_op(name, channels, channels) for name in ops)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        states: list[Tensor] = [x]
        for edge, (node, source) in zip(self.edges, edges_of(self.nodes), strict=True):
            term = None if isinstance(edge, Zero) else edge(states[source])
            _accumulate(states, node, term)
        return states[-1]


class SearchCell(Mixing):
    """The cell of the supernet: a mixed operation on every edge.

    BatchNorm has no scale and shift and the convolutions have a bias instead; poolings have no BatchNorm. Of such
    candidates the fused form shares only the poolings, so the textbook's is the default.
    """

    form: Form = "textbook"

    def __init__(self, names: Sequence[str], nodes: int, channels: int) -> None:
        super().__init__()
        self.nodes = nodes
        self.edges = nn.ModuleList(MixedOp(names, channels, 1, pool_norm=False) for _ in edges_of(nodes))

    def forward(self, x: Tensor, weights: OptionWeights) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        mixer = self.mixer()
        states = [mixer.state(x)]
        edges = iter(zip(self.edges, weights.rows(), strict=True))
        for _ in range(1, self.nodes):
            terms = [Term(edge, state, *row) for state, (edge, row) in zip(states, edges, strict=False)]
            total = mixer.node(terms)
            states.append(mixer.state(torch.zeros_like(x) if total is None else total))
        mixer.close()
        return states[-1].x


def _accumulate(states: list[Tensor], node: int, term: Tensor | None) -> None:
    """Adds a term to a node; a node that nothing enters is zero."""
    if len(states) == node:
        states.append(torch.zeros_like(states[0]) if term is None else term)
    elif term is not None:
        states[node] = states[node] + term
