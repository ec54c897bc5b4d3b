"""The found cell of the DARTS kind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops import DropPath, FactorizedReduce, ReLUConvBN, build_op
from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.spaces.cells.decisions import Gene


class Preprocess(nn.Module):
    """Brings the two inputs of a cell to its channels, and the older one to the size of the newer one."""

    def __init__(
        self, c_prev_prev: int, c_prev: int, channels: int, reduction_prev: bool, *, affine: bool = True
    ) -> None:
        super().__init__()
        older = FactorizedReduce if reduction_prev else ReLUConvBN
        self.older = older(c_prev_prev, channels, affine=affine)
        self.newer = ReLUConvBN(c_prev, channels, affine=affine)

    def forward(self, older: Tensor, newer: Tensor) -> tuple[Tensor, Tensor]:
        """Two maps of the cell's channels and equal size."""
        return self.older(older), self.newer(newer)


class Cell(Recomputable):
    """A found cell: every node sums two operations on earlier states; the nodes are concatenated.

    Args:
        nodes: Per node the two genes.
        c_prev_prev: Channels of the output of the cell before the previous one.
        c_prev: Channels of the output of the previous cell.
        channels: Channels of every node.
        reduction: Whether operations on the cell's inputs have stride 2.
        reduction_prev: Whether the previous cell was a reduction.
    """

    def __init__(
        self,
        nodes: Sequence[tuple[Gene, Gene]],
        c_prev_prev: int,
        c_prev: int,
        channels: int,
        reduction: bool,
        reduction_prev: bool,
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(c_prev_prev, c_prev, channels, reduction_prev)
        self.sources = [(first[1], second[1]) for first, second in nodes]
        self.ops = nn.ModuleList()
        self.drop_path = DropPath()
        for gene_pair in nodes:
            for name, source in gene_pair:
                stride = 2 if reduction and source < 2 else 1
                self.ops.append(build_op(name, channels, channels, stride=stride))

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        """The concatenated nodes, ``(B, nodes * channels, H, W)``."""
        result: Tensor = self.maybe_recomputed(self._compute, older, newer)
        return result

    def _compute(self, older: Tensor, newer: Tensor) -> Tensor:
        states = list(self.preprocess(older, newer))
        for node, sources in enumerate(self.sources):
            terms = [self._apply_op(self.ops[2 * node + side], states[source]) for side, source in enumerate(sources)]
            states.append(terms[0] + terms[1])
        return torch.cat(states[2:], dim=1)

    def _apply_op(self, op: nn.Module, state: Tensor) -> Tensor:
        out: Tensor = op(state)
        return out if isinstance(op, nn.Identity) else self.drop_path(out)
