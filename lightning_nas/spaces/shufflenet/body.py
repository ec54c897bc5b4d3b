"""What found network and supernet of the ShuffleNetV2 space share."""

from __future__ import annotations

from torch import nn

from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.shufflenet.space import ShuffleNetV2


def stem(space: ShuffleNetV2, affine: bool) -> nn.Module:
    """3x3 convolution with stride 2, BatchNorm, ReLU."""
    channels = space.stem_channels
    conv = nn.Conv2d(space.in_channels, channels, 3, 2, 1, bias=space.bias)
    return nn.Sequential(conv, nn.BatchNorm2d(channels, affine=affine), nn.ReLU())


def closing(space: ShuffleNetV2, affine: bool) -> nn.Module:
    """1x1 convolution, BatchNorm, ReLU, if the space has it."""
    channels = space.head_channels
    if not channels:
        return nn.Identity()
    conv = nn.Conv2d(space.widths[-1], channels, 1, bias=space.bias)
    return nn.Sequential(conv, nn.BatchNorm2d(channels, affine=affine), nn.ReLU())


def layer_sizes(space: ShuffleNetV2) -> list[list[tuple[int, int, int]]]:
    """Channels of input and output and stride of every layer, per stage."""
    sizes, width = [], space.stem_channels
    for out, depth in zip(space.widths, space.depths, strict=True):
        sizes.append([(width, out, 2), *[(out, out, 1)] * (depth - 1)])
        width = out
    return sizes


def described(space: ShuffleNetV2) -> FeatureInfo:
    """The last map of every stage; the closing convolution's instead of that of the last stage."""
    levels = [
        FeatureLevel(
            width, 4 * 2**stage, f"stages.{stage}.{depth - 1}"
        )  # the last layer: a supernet does not call stages
        for stage, (width, depth) in enumerate(zip(space.widths, space.depths, strict=True))
    ]
    if space.head_channels:
        levels[-1] = FeatureLevel(space.head_channels, levels[-1].reduction, "head")
    return FeatureInfo(tuple(levels))
