"""The macro network of NAS-Bench-201 (Dong, Yang 2020, arXiv 2001.00326)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lightning_nas.ops import ReLUConvBN
from lightning_nas.spaces.cells.stems import plain_stem, strided_stem
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel

STAGES = 3


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
