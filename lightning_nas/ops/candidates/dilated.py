"""Separable convolutions with larger dilation, for dense prediction: candidates of GAS (arXiv 1909.06793)."""

from __future__ import annotations

from torch import nn

from lightning_nas.ops.layers.convolutions import SeparableBlock
from lightning_nas.ops.registry import op


@op("dil_conv_3x3_r4")
def dil_conv_3x3_r4(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 separable convolution with dilation 4, applied once."""
    return SeparableBlock(in_channels, out_channels, 3, stride, dilation=4, affine=affine)


@op("dil_conv_3x3_r8")
def dil_conv_3x3_r8(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 separable convolution with dilation 8, applied once."""
    return SeparableBlock(in_channels, out_channels, 3, stride, dilation=8, affine=affine)
