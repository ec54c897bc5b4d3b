"""Separable, dilated and plain convolutions as candidates, in the form of DARTS (Liu et al. 2019, arXiv 1806.09055)."""

from __future__ import annotations

from torch import nn

from lightning_nas.ops.layers.convolutions import ReLUConvBN, SeparableBlock, SeparableConv
from lightning_nas.ops.registry import op


@op("sep_conv_3x3")
def sep_conv_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 separable convolution, applied twice."""
    return SeparableConv(in_channels, out_channels, 3, stride, affine=affine)


@op("sep_conv_5x5")
def sep_conv_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """5x5 separable convolution, applied twice."""
    return SeparableConv(in_channels, out_channels, 5, stride, affine=affine)


@op("sep_conv_7x7")
def sep_conv_7x7(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """7x7 separable convolution, applied twice (NASNet and AmoebaNet cells)."""
    return SeparableConv(in_channels, out_channels, 7, stride, affine=affine)


@op("dil_conv_3x3")
def dil_conv_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 separable convolution with dilation 2, applied once."""
    return SeparableBlock(in_channels, out_channels, 3, stride, dilation=2, affine=affine)


@op("dil_conv_5x5")
def dil_conv_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """5x5 separable convolution with dilation 2, applied once."""
    return SeparableBlock(in_channels, out_channels, 5, stride, dilation=2, affine=affine)


@op("conv_7x1_1x7")
def conv_7x1_1x7(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ReLU, 1x7 convolution with stride ``(1, s)``, 7x1 convolution with stride ``(s, 1)``, BatchNorm.

    As the DARTS family has it; that of AmoebaNet is ``bottleneck_1x7_7x1``.
    """
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(out_channels, out_channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
    )


@op("nor_conv_1x1")
def nor_conv_1x1(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ReLU, 1x1 convolution, BatchNorm; the convolution has a bias when BatchNorm has no shift (NAS-Bench-201)."""
    return ReLUConvBN(in_channels, out_channels, 1, stride, affine=affine, bias=not affine)


@op("nor_conv_3x3")
def nor_conv_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ReLU, 3x3 convolution, BatchNorm; the convolution has a bias when BatchNorm has no shift (NAS-Bench-201)."""
    return ReLUConvBN(in_channels, out_channels, 3, stride, affine=affine, bias=not affine)
