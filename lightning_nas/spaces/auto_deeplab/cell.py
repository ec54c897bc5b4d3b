"""Stem and found cell of the Auto-DeepLab space (Liu et al. 2019, arXiv 1901.02985, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops import DropPath, ReLUConvBN, build_op
from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.ops.layers.resize import resize
from lightning_nas.spaces.cells.decisions import NodeGenes


class Stem(nn.Module):
    """Three 3x3 convolutions with BatchNorm, the first and last with stride 2: maps of stride 2 and 4.

    Args:
        in_channels: Channels of the image.
        channels: Channels of the first two; the last one has twice as many.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.second = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * channels)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, in_channels, H, W) -> (B, C, H/2, W/2), (B, 2 C, H/4, W/4)``."""
        half = self.first(x)
        return half, self.second(half)


def level_sizes(quarter: Tensor, levels: int) -> list[tuple[int, int]]:
    """Height and width of the maps of every level, from that of stride 4."""
    height, width = quarter.shape[-2:]
    sizes = []
    for _ in range(levels):
        sizes.append((height, width))
        height, width = (height + 1) // 2, (width + 1) // 2
    return sizes


class TrellisCell(Recomputable):
    """The found cell in one layer. Both inputs come as they are, whatever their level and channels.

    The newer input decides the size: it is enlarged first where the path goes up; where it goes down, operations that read
    an input have stride 2. The older one, which may lie two levels away, is brought to the size of the newer one.

    Args:
        nodes: Per node the two genes.
        older_channels: Channels of the output of the layer before the last.
        newer_channels: Channels of the output of the last layer.
        channels: Channels of a node.
        step: Change of the level: -1 up, 0 or 1 down.
        depth: Number of this cell and number of all, for drop-path, whose rate grows with depth.
    """

    def __init__(
        self,
        nodes: Sequence[NodeGenes],
        older_channels: int,
        newer_channels: int,
        channels: int,
        step: int,
        depth: tuple[int, int],
    ) -> None:
        super().__init__()
        self.step = step
        self.older = ReLUConvBN(older_channels, channels) if older_channels != channels else nn.Identity()
        self.newer = ReLUConvBN(newer_channels, channels)
        self.sources = [(first[1], second[1]) for first, second in nodes]
        self.drop_path = DropPath(share=depth[0] / depth[1])
        self.ops = nn.ModuleList(
            build_op(name, channels, channels, stride=2 if step == 1 and source < 2 else 1)
            for pair in nodes
            for name, source in pair
        )

    def forward(self, older: Tensor, newer: Tensor, size: tuple[int, int]) -> Tensor:
        """The concatenated nodes, ``(B, nodes * channels, *size)``; ``size`` is that of the new level."""
        result: Tensor = self.maybe_recomputed(self._compute, older, newer, size)
        return result

    def _compute(self, older: Tensor, newer: Tensor, size: tuple[int, int]) -> Tensor:
        if self.step == -1:
            newer = resize(newer, size)
        states = [self.older(resize(older, (newer.shape[-2], newer.shape[-1]))), self.newer(newer)]
        for node, sources in enumerate(self.sources):
            terms = [self._apply_op(self.ops[2 * node + side], states[source]) for side, source in enumerate(sources)]
            states.append(terms[0] + terms[1])
        return torch.cat(states[2:], dim=1)

    def _apply_op(self, op: nn.Module, state: Tensor) -> Tensor:
        out: Tensor = op(state)
        return out if isinstance(op, nn.Identity) else self.drop_path(out)
