"""A residual network drawn by hand: the plain baseline beside which a found network has to show itself."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.ops.layers.pointwise import PointwiseConv2d
from lightning_nas.spaces import Backbone, FeatureInfo, FeatureLevel

RESIDUAL = "hand-made residual"
"""The name in a comparison of the network whose backbone is as large as the found one."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                PointwiseConv2d(in_channels, out_channels, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, H/stride, W/stride)``."""
        return nn.functional.relu(self.main(x) + self.shortcut(x))


class ResidualBackbone(Backbone):
    """Stem and residual stages with widths ``w, 2w, 4w, ...``.

    Args:
        width: Channels of the first stage.
        reductions: Strides of the feature maps, e.g. ``(1, 2, 4)``: each the previous one or its double.
        blocks: Residual blocks per stage.
        in_channels: Channels of the image.

    Example:
        >>> import torch
        >>> [tuple(x.shape[1:]) for x in ResidualBackbone(4, (1, 2, 4))(torch.zeros(1, 3, 8, 8))]
        [(4, 8, 8), (8, 4, 4), (16, 2, 2)]
    """

    def __init__(self, width: int, reductions: tuple[int, ...], blocks: int = 2, in_channels: int = 3) -> None:
        super().__init__()
        stem_stride = reductions[0]
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stem_stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages = nn.ModuleList()
        levels = []
        channels, stride = width, stem_stride
        for index, reduction in enumerate(reductions):
            out = width * 2**index
            layers = [ResidualBlock(channels, out, reduction // stride)]
            layers += [ResidualBlock(out, out, 1) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*layers))
            channels, stride = out, reduction
            levels.append(FeatureLevel(out, reduction, f"stages.{index}"))
        self.feature_info = FeatureInfo(tuple(levels))

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` one map per stage; there is no auxiliary tap."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features, None


BLOCKS = (2, 1, 3, 4)
"""Residual blocks per stage that are tried, in this order."""

NEAR = 0.1
"""Share by which the number of parameters may differ before other numbers of blocks are tried."""


def residual_of_size(parameters: int, reductions: tuple[int, ...], in_channels: int = 3) -> ResidualBackbone:
    """A residual network with about a given number of parameters.

    It has two blocks per stage; where no width comes within a tenth of the number, as happens for very small ones, that
    number of blocks from one to four that comes nearest.

    Example:
        >>> network = residual_of_size(100_000, (1, 2, 4))
        >>> sum(p.numel() for p in network.parameters())
        98508
    """
    best: ResidualBackbone | None = None
    error = float("inf")
    for blocks in BLOCKS:
        network = _of_nearest_width(parameters, reductions, blocks, in_channels)
        own = abs(_size(network) - parameters) / parameters
        if own < error:
            best, error = network, own
        if error <= NEAR:
            break
    assert best is not None
    return best


def _of_nearest_width(parameters: int, reductions: tuple[int, ...], blocks: int, in_channels: int) -> ResidualBackbone:
    def build(width: int) -> ResidualBackbone:
        return ResidualBackbone(width, reductions, blocks, in_channels)

    low = 1
    while _size(build(2 * low)) < parameters:
        low *= 2
    return min((build(width) for width in range(low, 2 * low + 1)), key=lambda net: abs(_size(net) - parameters))


def _size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
