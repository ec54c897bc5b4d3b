"""A found network of the Auto-DeepLab space: stem, and one cell per layer at the resolution of the path.

Source: Liu et al. 2019, arXiv 1901.02985, sections 3.1 and 5.2, and the released network of its authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lightning_nas.ops import DropPath, ReLUConvBN, build_op
from lightning_nas.ops.checkpointing import Recomputable
from lightning_nas.ops.resize import resize
from lightning_nas.spaces.cell_decisions import NodeGenes
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel

if TYPE_CHECKING:
    from lightning_nas.spaces.auto_deeplab import AutoDeepLab

DECODER_LAYERS = 3
"""A decoder reads the last map of stride 4 of the stem and so many layers."""


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


class AutoDeepLabNetwork(Backbone):
    """A found network; returns a map of stride 4 for a decoder, and the last map.

    Args:
        space: The space.
        path: The level of every layer.
        genes: Of the cell.
    """

    def __init__(self, space: AutoDeepLab, path: Sequence[int], genes: Sequence[NodeGenes]) -> None:
        super().__init__()
        self.path = tuple(path)
        self.stem = Stem(space.in_channels, space.stem_channels)
        channels = [space.stem_channels, 2 * space.stem_channels]  # of the states, stem first
        self.cells = nn.ModuleList()
        for layer, level in enumerate(path):
            width = space.channels * 2**level
            step = level - (path[layer - 1] if layer else 0)
            self.cells.append(TrellisCell(genes, channels[-2], channels[-1], width, step, (layer + 1, space.layers)))
            channels.append(space.blocks * width)
        early = [layer for layer in range(min(DECODER_LAYERS, space.layers - 1)) if path[layer] == 0]
        self.decoder_layer = early[-1] if early else -1
        low = FeatureLevel(
            channels[self.decoder_layer + 2], 4, f"cells.{self.decoder_layer}" if early else "stem.second"
        )
        self.last = nn.ReLU()
        last = FeatureLevel(channels[-1], 4 * 2 ** path[-1], "last")
        self.feature_info = FeatureInfo((low, last))

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`, None."""
        older, newer = self.stem(x)
        sizes = level_sizes(newer, max(self.path) + 1)
        low = newer
        for layer, (cell, level) in enumerate(zip(self.cells, self.path, strict=True)):
            older, newer = newer, cell(older, newer, sizes[level])
            if layer == self.decoder_layer:
                low = newer
        return [low, self.last(newer)], None
