"""Convolutions of the DARTS, NASNet and NAS-Bench-201 families.

All are pre-activation (ReLU, convolution, BatchNorm). Layouts: Liu, Simonyan, Yang 2019, arXiv 1806.09055; Dong, Yang
2020, arXiv 2001.00326. The submodules have names, because the fast supernet computes with them directly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.pointwise import PointwiseConv2d, padded_conv


class ReLUConvBN(nn.Sequential):
    """ReLU, ``k x k`` convolution, BatchNorm.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        stride: Stride of the convolution.
        affine: Whether BatchNorm has a learnable scale and shift.
        bias: Whether the convolution has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        *,
        affine: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = padded_conv(in_channels, out_channels, kernel_size, stride, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)


class SeparableBlock(nn.Sequential):
    """ReLU, depthwise ``k x k`` convolution, pointwise convolution, BatchNorm; keeps the size at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        affine: bool = True,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel_size - 1) // 2
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)


class SeparableConv(nn.Sequential):
    """Two :class:`SeparableBlock` in a row, the first with the stride (``sep_conv``)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, affine: bool = True
    ) -> None:
        super().__init__(
            SeparableBlock(in_channels, in_channels, kernel_size, stride, affine=affine),
            SeparableBlock(in_channels, out_channels, kernel_size, affine=affine),
        )


class FactorizedReduce(nn.Module):
    """Halves height and width: two stride-2 1x1 convolutions, one on the map shifted by a pixel, concatenated.

    Raises:
        ValueError: If ``out_channels`` is odd.
    """

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool = True) -> None:
        super().__init__()
        if out_channels % 2:
            raise ArgumentError(f"out_channels must be even for a factorized reduction, got {out_channels}")
        self.relu = nn.ReLU()
        self.conv1 = PointwiseConv2d(in_channels, out_channels // 2, 2, bias=False)
        self.conv2 = PointwiseConv2d(in_channels, out_channels // 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/2), ceil(W/2))``."""
        x = self.relu(x)
        # The shifted half starts at pixel (1, 1). An odd map is padded by one so that both halves have equal size.
        height, width = x.shape[-2:]
        shifted = nn.functional.pad(x, (0, width % 2, 0, height % 2))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.conv1(x), self.conv2(shifted)], dim=1))
