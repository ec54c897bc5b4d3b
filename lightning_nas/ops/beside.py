"""An auxiliary skip beside an edge, which fades away.

Source: Chu et al. 2021, "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", arXiv 2009.01027,
equation 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_nas.ops.registry import build_op


class SkipBeside(nn.Module):
    """``edge(x) + share * skip(x)``: the skip that lends an edge its gradient is none of its options.

    Args:
        edge: A mixed operation that keeps the number of channels, or what is called as one.
        channels: Of the edge.
        stride: Of the edge; with 2, the skip is a factorized reduction.

    Attributes:
        share: Weight of the skip.
    """

    def __init__(self, edge: nn.Module, channels: int, stride: int) -> None:
        super().__init__()
        self.edge, self.stride, self.channels = edge, stride, channels
        self.skip = build_op("skip_connect", channels, channels, stride=stride, affine=False)
        self.share = 1.0

    def forward(self, x: Tensor, weights: Tensor, active: Sequence[int] | None = None) -> Tensor | None:
        """``(B, C, H, W) -> (B, C, H/stride, W/stride)``; None for an edge that is absent."""
        if active is not None and not active:
            return None
        out: Tensor | None = self.edge(x, weights, active)
        beside = self.beside(x)
        return beside if out is None else out + beside

    def beside(self, x: Tensor) -> Tensor:
        """The skip alone."""
        out: Tensor = self.share * self.skip(x)
        return out
