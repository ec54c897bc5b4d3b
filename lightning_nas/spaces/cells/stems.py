"""Stems in front of the first cell."""

from __future__ import annotations

from torch import nn


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
