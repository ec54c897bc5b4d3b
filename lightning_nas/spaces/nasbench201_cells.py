"""Cells and macro network of NAS-Bench-201 (Dong, Yang 2020, arXiv 2001.00326)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops import ReLUConvBN, Zero, build_op
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.supernet import OptionWeights

STAGES = 3


def edges_of(nodes: int) -> list[tuple[int, int]]:
    """The edges ``(node, source)`` of a cell, node by node, sources ascending."""
    return [(node, source) for node in range(1, nodes) for source in range(node)]


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


class SearchCell(nn.Module):
    """The cell of the supernet: a mixed operation on every edge.

    BatchNorm has no scale and shift and the convolutions have a bias instead; poolings have no BatchNorm.
    """

    def __init__(self, names: Sequence[str], nodes: int, channels: int) -> None:
        super().__init__()
        self.nodes = nodes
        self.edges = nn.ModuleList(MixedOp(names, channels, 1, pool_norm=False) for _ in edges_of(nodes))

    def forward(self, x: Tensor, weights: OptionWeights) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        states: list[Tensor] = [x]
        for index, (node, source) in enumerate(edges_of(self.nodes)):
            active = None if weights.active is None else weights.active[index]
            _accumulate(states, node, self.edges[index](states[source], weights.values[index], active))
        return states[-1]


def _accumulate(states: list[Tensor], node: int, term: Tensor | None) -> None:
    """Adds a term to a node; a node that nothing enters is zero."""
    if len(states) == node:
        states.append(torch.zeros_like(states[0]) if term is None else term)
    elif term is not None:
        states[node] = states[node] + term


class ResidualBlock(nn.Module):
    """Halves the resolution between stages: two ReLU-conv-BN beside an average pooling with a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(in_channels, out_channels, 3, stride=2)
        self.conv_b = ReLUConvBN(out_channels, out_channels, 3)
        # ceil_mode changes nothing on even maps and keeps both branches equal on odd ones
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/2), ceil(W/2))``."""
        out: Tensor = self.shortcut(x) + self.conv_b(self.conv_a(x))
        return out


class Stage(nn.ModuleList):
    """Cells in a row."""

    def forward(self, x: Tensor, *cell_inputs: object) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``; ``cell_inputs`` are handed to every cell."""
        for cell in self:
            x = cell(x, *cell_inputs)
        return x


def plain_stem(in_channels: int, channels: int) -> nn.Sequential:
    """3x3 convolution, BatchNorm."""
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def strided_stem(in_channels: int, channels: int) -> nn.Sequential:
    """Three 3x3 convolutions of stride 2, as DARTS begins on ImageNet (Liu et al. 2019, arXiv 1806.09055)."""
    half = channels // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, half, 3, 2, 1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        nn.Conv2d(half, channels, 3, 2, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, 2, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


class Macro(nn.Module):
    """Stem, three stages of cells with residual blocks between them, a closing BatchNorm and ReLU.

    Args:
        in_channels: Channels of the image.
        channels: Channels of the first stage.
        cells: Cells per stage.
        stem: ``"cifar"``, the benchmark's (stride 1), or ``"imagenet"`` (stride 8 before the first cell).
        build_cell: Makes one cell for a number of channels.
    """

    def __init__(
        self, in_channels: int, channels: int, cells: int, stem: str, build_cell: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.stem = plain_stem(in_channels, channels) if stem == "cifar" else strided_stem(in_channels, channels)
        stride = 1 if stem == "cifar" else 8
        widths = [channels * 2**stage for stage in range(STAGES)]
        self.stages = nn.ModuleList(Stage(build_cell(width) for _ in range(cells)) for width in widths)
        self.reductions = nn.ModuleList(ResidualBlock(width, 2 * width) for width in widths[:-1])
        self.last = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU())
        levels = [FeatureLevel(width, stride * 2**i, f"stages.{i}") for i, width in enumerate(widths[:-1])]
        self.feature_info = FeatureInfo((*levels, FeatureLevel(widths[-1], stride * 2 ** (STAGES - 1), "last")))

    def forward(self, x: Tensor, *cell_inputs: object) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the map of every stage; the last one after BatchNorm and ReLU."""
        features = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if index:
                x = self.reductions[index - 1](x)
            x = stage(x, *cell_inputs)
            features.append(x)
        features[-1] = self.last(x)
        return features
