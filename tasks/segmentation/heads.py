"""From feature maps to logits of the image's size: DeepLabV3+, one ASPP per level, and a light one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.lraspp import LRASPPHead

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.resize import resize
from lightning_nas.spaces import FeatureInfo

Head = Literal["deeplab", "per_level", "light"]

RATE_TIMES_STRIDE = 96
"""Atrous rates times the stride of the map: 12, 24 and 36 at stride 8; 6, 12 and 18 at stride 16 (arXiv 1802.02611)."""

DECODER_STRIDE = 4
"""A decoder reads the first map of at least this stride."""


class SegmentationHead(nn.Module):
    """Feature maps -> logits of every pixel of the image."""

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The backbone's maps -> ``(B, num_classes, *size)``."""
        raise NotImplementedError


class DeepLabHead(SegmentationHead):
    """Atrous spatial pyramid pooling on the last map, and a decoder that joins a map of stride 4.

    Source: Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution", arXiv 1802.02611; Auto-DeepLab (Liu et al.
    2019, arXiv 1901.02985) has it with full convolutions.

    The pooled branch averages the whole map. In training so does the released code of DeepLab; in evaluation that slides a
    window of the size of a training crop over a larger image, which windows of that size (``eval_window``) come closest to.

    Args:
        inputs: The backbone's maps.
        num_classes: Number of classes.
        channels: Width of the pyramid pooling and of the decoder.
        low_channels: Width to which the decoder reduces the map of stride 4.
        dropout: After the pyramid pooling.
        separable: Whether the 3x3 convolutions are separable, as in DeepLabV3+; else they are full.
        rates: Percent of the atrous rates.
    """

    def __init__(
        self,
        inputs: FeatureInfo,
        num_classes: int,
        channels: int,
        *,
        low_channels: int = 48,
        dropout: float = 0.1,
        separable: bool = False,
        rates: int = 100,
    ) -> None:
        super().__init__()
        last = inputs.levels[-1]
        self.low_index = decoder_level(inputs)
        self.aspp = _aspp(
            last.channels, [atrous_rate(last.reduction, times, rates) for times in (1, 2, 3)], channels, dropout
        )
        if separable:
            for index, conv in enumerate(self.aspp.convs):
                if isinstance(conv[0], nn.Conv2d) and conv[0].kernel_size == (3, 3):
                    self.aspp.convs[index] = _separable_bn(last.channels, channels, conv[0].dilation[0])
        block = _separable_bn if separable else _conv_bn
        self.reduce_low = _conv_bn(inputs.channels()[self.low_index], low_channels, 1)
        self.decoder = nn.Sequential(
            block(channels + low_channels, channels),
            block(channels, channels),
            nn.Conv2d(channels, num_classes, 1),
        )

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The backbone's maps -> ``(B, num_classes, *size)``."""
        low = self.reduce_low(maps[self.low_index])
        context = resize(self.aspp(maps[-1]), (low.shape[-2], low.shape[-1]))
        return resize(self.decoder(torch.cat([context, low], dim=1)), size)


class PerLevelHead(SegmentationHead):
    """A small pyramid pooling on every map; the logits of all are enlarged and added: the head of Auto-DeepLab's search.

    Source: Liu et al. 2019, arXiv 1901.02985, section 3.2.

    Args:
        inputs: The backbone's maps. The pooling of each is as wide as the map.
        num_classes: Number of classes.
        dropout: After each pooling.
        rates: Percent of the atrous rates.
    """

    def __init__(self, inputs: FeatureInfo, num_classes: int, *, dropout: float = 0.1, rates: int = 100) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                _aspp(level.channels, [atrous_rate(level.reduction, 1, rates)], level.channels, dropout),
                nn.Conv2d(level.channels, num_classes, 1),
            )
            for level in inputs
        )

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The backbone's maps -> ``(B, num_classes, *size)``."""
        return torch.stack([resize(level(x), size) for level, x in zip(self.levels, maps, strict=True)]).sum(dim=0)


class LightHead(SegmentationHead):
    """The head of real-time networks: one gated 1x1 convolution on the last map, one on a map of stride 4.

    Source: LR-ASPP, Howard et al. 2019, "Searching for MobileNetV3", arXiv 1905.02244; torchvision's.

    Args:
        inputs: The backbone's maps.
        num_classes: Number of classes.
        channels: Width inside.
    """

    def __init__(self, inputs: FeatureInfo, num_classes: int, channels: int) -> None:
        super().__init__()
        self.low_index = decoder_level(inputs)
        widths = inputs.channels()
        self.head = LRASPPHead(widths[self.low_index], widths[-1], num_classes, channels)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The backbone's maps -> ``(B, num_classes, *size)``."""
        return resize(self.head({"low": maps[self.low_index], "high": maps[-1]}), size)


def build_head(
    name: Head,
    inputs: FeatureInfo,
    num_classes: int,
    channels: int,
    dropout: float,
    *,
    separable: bool = False,
    rates: int = 100,
) -> SegmentationHead:
    """A head by name; ``separable`` concerns ``deeplab``, ``rates`` those with atrous convolutions.

    Raises:
        ValueError: If there is no such head.
    """
    if name not in get_args(Head):
        raise ArgumentError(f"head must be one of {list(get_args(Head))}, got {name!r}")
    if name == "deeplab":
        return DeepLabHead(inputs, num_classes, channels, dropout=dropout, separable=separable, rates=rates)
    if name == "per_level":
        return PerLevelHead(inputs, num_classes, dropout=dropout, rates=rates)
    return LightHead(inputs, num_classes, channels)


def decoder_level(inputs: FeatureInfo) -> int:
    """Index of the map that a decoder reads: the first one of stride 4 or more, else the last.

    Example:
        >>> from lightning_nas.spaces import FeatureLevel
        >>> decoder_level(FeatureInfo((FeatureLevel(8, 2), FeatureLevel(16, 4), FeatureLevel(32, 8))))
        1
    """
    strides = inputs.reduction()
    return next((index for index, stride in enumerate(strides) if stride >= DECODER_STRIDE), len(strides) - 1)


def atrous_rate(stride: int, times: int, percent: int = 100) -> int:
    """The rate of an atrous convolution on a map.

    Args:
        stride: Of the map.
        times: Multiple of the smallest rate.
        percent: Of the usual rates.

    Example:
        >>> atrous_rate(16, 1), atrous_rate(16, 3), atrous_rate(16, 3, 50)
        (6, 18, 9)
    """
    return max(1, times * RATE_TIMES_STRIDE * percent // (100 * stride))


def _aspp(in_channels: int, rates: Sequence[int], channels: int, dropout: float) -> ASPP:
    aspp = ASPP(in_channels, rates, channels)
    for module in aspp.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    return aspp


def _separable_bn(in_channels: int, channels: int, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3x3 and pointwise convolution, each with BatchNorm and ReLU."""
    depthwise = nn.Conv2d(in_channels, in_channels, 3, 1, dilation, dilation, groups=in_channels, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(in_channels), nn.ReLU(), *_conv_bn(in_channels, channels, 1))


def _conv_bn(in_channels: int, channels: int, kernel: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())
