"""Layers of the macro space of ENAS (Pham et al. 2018, arXiv 1802.03268): each begins with a 1x1 convolution.

Other than the candidates of cells they are post-activation: convolution, BatchNorm, ReLU.
"""

from __future__ import annotations

from torch import nn

from lightning_nas.ops.registry import op


@op("enas_conv_3x3")
def enas_conv_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x1 convolution, 3x3 convolution."""
    return _conv_layer(3, False, in_channels, out_channels, stride, affine)


@op("enas_sep_conv_3x3")
def enas_sep_conv_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x1 convolution, 3x3 separable convolution, applied once."""
    return _conv_layer(3, True, in_channels, out_channels, stride, affine)


@op("enas_conv_5x5")
def enas_conv_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x1 convolution, 5x5 convolution."""
    return _conv_layer(5, False, in_channels, out_channels, stride, affine)


@op("enas_sep_conv_5x5")
def enas_sep_conv_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x1 convolution, 5x5 separable convolution, applied once."""
    return _conv_layer(5, True, in_channels, out_channels, stride, affine)


@op("enas_avg_pool_3x3")
def enas_avg_pool_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x1 convolution, 3x3 average pooling; pixels outside the map do not count."""
    pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    return nn.Sequential(*_pointwise(in_channels, out_channels, affine), pool)


@op("enas_max_pool_3x3")
def enas_max_pool_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """1x1 convolution, 3x3 max pooling."""
    return nn.Sequential(*_pointwise(in_channels, out_channels, affine), nn.MaxPool2d(3, stride, padding=1))


def _conv_layer(
    size: int, separable: bool, in_channels: int, out_channels: int, stride: int, affine: bool
) -> nn.Sequential:
    groups = out_channels if separable else 1
    spatial = [nn.Conv2d(out_channels, out_channels, size, stride, size // 2, groups=groups, bias=False)]
    if separable:
        spatial.append(nn.Conv2d(out_channels, out_channels, 1, bias=False))
    return nn.Sequential(
        *_pointwise(in_channels, out_channels, affine),
        *spatial,
        nn.BatchNorm2d(out_channels, affine=affine),
        nn.ReLU(),
    )


def _pointwise(in_channels: int, out_channels: int, affine: bool) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
        nn.ReLU(),
    )
