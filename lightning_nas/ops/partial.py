"""Partial channels: candidates see a share of the channels, the others pass by.

Source: Xu et al. 2020, "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", arXiv 1907.05737,
section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.mixed import Candidates


class PartialEdge(nn.Module):
    """Candidates on the first of so many parts of the channels; the others pass by, and all are shuffled.

    Where the candidates halve the map, the others pass a 2x2 max pooling.

    Args:
        edge: The mixed operation on all channels, whose place this one takes; its weights are not kept.
        parts: ``K``: the candidates see ``1 / K`` of the channels.

    Raises:
        ArgumentError: If the channels cannot be parted so, or the edge changes their number.
    """

    def __init__(self, edge: Candidates, parts: int) -> None:
        super().__init__()
        if edge.channels % parts:
            raise ArgumentError(
                f"partial_channels = {parts}: an edge has {edge.channels} channels, expected a multiple of {parts}"
            )
        if not edge.can_narrow:
            raise ArgumentError(f"partial_channels = {parts}: {type(edge).__name__} cannot be narrowed")
        self.parts, self.stride, self.channels = parts, edge.stride, edge.channels
        self.mixed = edge.narrowed(parts)

    def forward(self, x: Tensor, weights: Tensor, active: Sequence[int] | None = None) -> Tensor | None:
        """``(B, C, H, W) -> (B, C, ceil(H/stride), ceil(W/stride))``; None for an edge that is absent.

        Args:
            x: The source state.
            weights: ``(options,)``.
            active: Candidates to compute, none for an absent edge; all if None.
        """
        if active is not None and not active:
            return None
        taken = x.shape[1] // self.parts
        return joined(self.mixed(x[:, :taken], weights, active), self.passed(x[:, taken:]), self.parts)

    def passed(self, x: Tensor) -> Tensor:
        """What passes by, at the size of the edge's output."""
        return x if self.stride == 1 else F.max_pool2d(x, 2, 2, ceil_mode=True)

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"parts={self.parts}"


def joined(mixed: Tensor | None, passed: Tensor, parts: int) -> Tensor:
    """What was mixed and what has passed by, concatenated and shuffled.

    Args:
        mixed: ``(B, C / parts, H, W)``; zeros if None.
        passed: ``(B, C - C / parts, H, W)``.
        parts: Groups of the shuffle.
    """
    if mixed is None:
        mixed = torch.zeros_like(passed[:, : passed.shape[1] // (parts - 1)])
    return F.channel_shuffle(torch.cat([mixed, passed], dim=1), parts)
