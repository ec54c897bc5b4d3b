"""Candidates of the NASNet and AmoebaNet spaces that the DARTS family does not have.

Sources: Zoph et al. 2018, arXiv 1707.07012; Real et al. 2019, arXiv 1802.01548, and the code that the authors of AmoebaNet
have released (``models/official/amoeba_net/network_utils.py`` of github.com/tensorflow/tpu). The papers name the
operations; only that code says what they are inside: convolutions that are not separable work on a quarter of the
channels, between two 1x1 convolutions. The released code of NASNet has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lightning_nas.ops.layers.convolutions import ReLUConvBN
from lightning_nas.ops.registry import op


class BottleneckConv(nn.Sequential):
    """ReLU, 1x1 convolution to fewer channels, BatchNorm; then the inner convolutions and a 1x1 one back, each the same way.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernels: Heights and widths of the inner convolutions. Each has the stride along its own sides: of a 1x7 and a 7x1
            convolution the first one halves the width, the second one the height.
        stride: Stride.
        width: Channels inside. With 0, where a bottleneck would have no channel left, the inner convolutions stand alone
            and work on ``out_channels``.
        dilation: Of the inner convolutions.
        affine: Whether BatchNorm has a learnable scale and shift.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernels: Sequence[tuple[int, int]],
        stride: int,
        *,
        width: int,
        dilation: int = 1,
        affine: bool = True,
    ) -> None:
        sizes = [(1, 1), *kernels, (1, 1)] if width else list(kernels)
        widths = [in_channels, *[width or out_channels] * (len(sizes) - 1), out_channels]
        layers: list[nn.Module] = []
        for index, (height, breadth) in enumerate(sizes):
            strides = (stride if height > 1 else 1, stride if breadth > 1 else 1)
            padding = (dilation * (height // 2), dilation * (breadth // 2))
            conv = nn.Conv2d(
                widths[index], widths[index + 1], (height, breadth), strides, padding, dilation, bias=False
            )
            layers += [nn.ReLU(), conv, nn.BatchNorm2d(widths[index + 1], affine=affine)]
        super().__init__(*layers)


@op("bottleneck_1x3_3x1")
def bottleneck_1x3_3x1(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x3 and 3x1 convolution on three eighths of the channels."""
    width = 3 * out_channels // 8
    return BottleneckConv(in_channels, out_channels, [(1, 3), (3, 1)], stride, width=width, affine=affine)


@op("bottleneck_1x7_7x1")
def bottleneck_1x7_7x1(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x7 and 7x1 convolution on a quarter of the channels."""
    width = out_channels // 4
    return BottleneckConv(in_channels, out_channels, [(1, 7), (7, 1)], stride, width=width, affine=affine)


@op("bottleneck_3x3")
def bottleneck_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 convolution on a quarter of the channels."""
    return BottleneckConv(in_channels, out_channels, [(3, 3)], stride, width=out_channels // 4, affine=affine)


@op("bottleneck_dil_3x3")
def bottleneck_dil_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """3x3 convolution with dilation 2 on a quarter of the channels.

    The paper of AmoebaNet calls its dilated convolution separable; the released code has only this one.
    """
    width = out_channels // 4
    return BottleneckConv(in_channels, out_channels, [(3, 3)], stride, width=width, dilation=2, affine=affine)


@op("conv_3x1_1x3")
def conv_3x1_1x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ReLU, 1x3 convolution with stride ``(1, s)``, 3x1 convolution with stride ``(s, 1)``, BatchNorm.

    Written as the DARTS family writes its ``conv_7x1_1x7``; that of the NASNet space is ``bottleneck_1x3_3x1``.
    """
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
