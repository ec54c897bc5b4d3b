"""ShuffleNetV2's units with larger kernels, and the Shuffle-Xception block: the choice blocks of SPOS and DetNAS.

Sources: Ma et al. 2018, "ShuffleNet V2", arXiv 1807.11164, figure 3; Guo et al. 2020, "Single Path One-Shot", arXiv
1904.00420, section 4; Chen et al. 2019, "DetNAS", arXiv 1903.10979.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.registry import op

Split = Literal["even_odd", "halves"]
"""Which half of the channels passes a unit of stride 1, see :func:`split_channels`."""

Module = TypeVar("Module", bound=nn.Module)


def split_channels(x: Tensor, split: Split) -> tuple[Tensor, Tensor]:
    """The channels that pass and those that are worked on, ``(B, C, H, W) ->`` twice ``(B, C/2, H, W)``.

    ``"even_odd"``: the even ones, and the odd ones. ``"halves"``: the two halves of the map are interleaved, channel by
    channel, and then the first half passes. Both take half of what passed the unit before and half of what it made.

    Example:
        >>> x = torch.arange(8.0).view(1, 8, 1, 1)
        >>> [part.flatten().int().tolist() for part in split_channels(x, "even_odd")]
        [[0, 2, 4, 6], [1, 3, 5, 7]]
        >>> [part.flatten().int().tolist() for part in split_channels(x, "halves")]
        [[0, 4, 1, 5], [2, 6, 3, 7]]
    """
    if split == "even_odd":
        return x[:, ::2], x[:, 1::2]
    passing, entering = x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2).chunk(2, dim=1)
    return passing, entering


class ShuffleUnit(nn.Module):
    """A main branch beside what passes by, concatenated.

    With stride 1 and equal widths half of the channels pass and the others enter the main branch; otherwise the main branch
    and a projection both read all channels, and the projection gives as many as there were, or half of the output if that
    is less.

    Attributes:
        split: Which half passes; :func:`set_split` changes it. It holds no weights.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernels: Of the depthwise convolutions of the main branch: one, or three for the Xception block.
        stride: Of the first depthwise convolution and of the projection.
        affine: Whether BatchNorm has a learnable scale and shift.

    Raises:
        ValueError: If the width is odd where channels are split, or below 2.
    """

    split: Split = "even_odd"

    def __init__(
        self, in_channels: int, out_channels: int, kernels: Sequence[int], stride: int = 1, *, affine: bool = True
    ) -> None:
        super().__init__()
        splits = stride == 1 and in_channels == out_channels
        if splits and in_channels % 2:
            raise ArgumentError(f"in_channels must be even to be split in two, got {in_channels}")
        entering = in_channels // 2 if splits else in_channels
        if out_channels < 2:
            raise ArgumentError(f"out_channels must be at least 2, got {out_channels}")
        middle = out_channels // 2
        passing = entering if splits else min(in_channels, middle)
        made = out_channels - passing
        layers: list[nn.Module] = []
        if len(kernels) == 1:
            layers += pointwise(entering, middle, affine)
            layers += depthwise(middle, kernels[0], stride, affine)
            layers += pointwise(middle, made, affine)
        else:
            width = entering
            for index, kernel in enumerate(kernels):
                last = index == len(kernels) - 1
                layers += depthwise(width, kernel, 1 if index else stride, affine)
                layers += pointwise(width, made if last else middle, affine)
                width = middle
        self.main = nn.Sequential(*layers)
        self.projection: nn.Module | None = None
        if not splits:
            kernel = kernels[0]
            self.projection = nn.Sequential(
                *depthwise(in_channels, kernel, stride, affine), *pointwise(in_channels, passing, affine)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        if self.projection is None:
            passing, entering = split_channels(x, self.split)
            return torch.cat([passing, self.main(entering)], dim=1)
        return torch.cat([self.projection(x), self.main(x)], dim=1)


def set_split(module: Module, split: Split) -> Module:
    """Sets the split of every :class:`ShuffleUnit` of a module, in place.

    Raises:
        ValueError: If there is no such split.
    """
    if split not in get_args(Split):
        raise ArgumentError(f"split must be one of {list(get_args(Split))}, got {split!r}")
    for part in module.modules():
        if isinstance(part, ShuffleUnit):
            part.split = split
    return module


def pointwise(in_channels: int, out_channels: int, affine: bool) -> list[nn.Module]:
    """1x1 convolution, BatchNorm, ReLU."""
    return [nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels, affine=affine), nn.ReLU()]


def depthwise(channels: int, kernel: int, stride: int, affine: bool) -> list[nn.Module]:
    """Depthwise convolution, BatchNorm."""
    conv = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels, affine=affine)]


@op("shuffle_3x3")
def shuffle_3x3(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ShuffleNetV2's unit."""
    return ShuffleUnit(in_channels, out_channels, (3,), stride, affine=affine)


@op("shuffle_5x5")
def shuffle_5x5(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ShuffleNetV2's unit with a 5x5 kernel."""
    return ShuffleUnit(in_channels, out_channels, (5,), stride, affine=affine)


@op("shuffle_7x7")
def shuffle_7x7(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """ShuffleNetV2's unit with a 7x7 kernel."""
    return ShuffleUnit(in_channels, out_channels, (7,), stride, affine=affine)


@op("shuffle_xception")
def shuffle_xception(in_channels: int, out_channels: int, stride: int, *, affine: bool = True) -> nn.Module:
    """Three depthwise 3x3 convolutions, each followed by a pointwise one."""
    return ShuffleUnit(in_channels, out_channels, (3, 3, 3), stride, affine=affine)
