"""Candidates of NASNet (Zoph et al. 2018, arXiv 1707.07012) that the DARTS family does not have."""

from __future__ import annotations

from torch import nn

from lightning_nas.ops.convolutions import ReLUConvBN
from lightning_nas.ops.registry import op


@op("conv_3x1_1x3")
def conv_3x1_1x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ReLU, 1x3 convolution with stride ``(1, s)``, 3x1 convolution with stride ``(s, 1)``, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, (1, 3), (1, stride), (0, 1), bias=False),
        nn.Conv2d(out_channels, out_channels, (3, 1), (stride, 1), (1, 0), bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
    )


@op("max_pool_5x5")
def max_pool_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """5x5 max pooling."""
    return _max_pool(5, in_channels, out_channels, stride, affine)


@op("max_pool_7x7")
def max_pool_7x7(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """7x7 max pooling."""
    return _max_pool(7, in_channels, out_channels, stride, affine)


def _max_pool(size: int, in_channels: int, out_channels: int, stride: int, affine: bool) -> nn.Module:
    pool = nn.MaxPool2d(size, stride, padding=size // 2)
    if in_channels == out_channels:
        return pool
    return nn.Sequential(ReLUConvBN(in_channels, out_channels, affine=affine), pool)
