"""Heads that label pixels, of which the first channels and several atrous rates can be active."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.elastic import ElasticConv2d
from lightning_nas.ops.layers.elastic_conversion import JoinedConv2d, make_elastic, set_width
from lightning_nas.spaces import FeatureInfo
from lightning_nas.spaces.heads.network import HeadPart
from lightning_nas.spaces.ordered import share
from lightning_nas.tasks.segmentation.heads import (
    DeepLabHead,
    LightHead,
    PerLevelHead,
    SegmentationHead,
    atrous_rate,
)


class FollowingNumbers:
    """A hook before a head computes: cuts it down to the numbers that are active.

    Args:
        part: Says which numbers are active.
        channels: Width of the head with 100 percent.
        narrowed: The layers whose output becomes narrower.
        atrous: The layers whose rate changes, each with the stride of its map and the multiple of the smallest rate.
    """

    def __init__(
        self, part: HeadPart, channels: int, narrowed: list[nn.Module], atrous: list[tuple[ElasticConv2d, int, int]]
    ) -> None:
        self.part, self.channels, self.narrowed, self.atrous = part, channels, narrowed, atrous

    def __call__(self, head: nn.Module, args: Any) -> None:
        """Sets widths and rates."""
        for layers in self.narrowed:
            set_width(layers, share(self.channels, self.part.numbers["width"]))
        for layer, stride, times in self.atrous:
            rate = atrous_rate(stride, times, self.part.numbers["rates"])
            layer.dilation = layer.padding = (rate, rate)


def make_head_elastic(head: SegmentationHead, inputs: FeatureInfo, channels: int, part: HeadPart) -> None:
    """Makes the largest head follow the active numbers; in place, names stay the same.

    Args:
        head: The largest one, with BatchNorm.
        inputs: The backbone's maps.
        channels: Width of the head with 100 percent.
        part: Says which numbers are active.
    """
    narrowed: list[nn.Module] = []
    if isinstance(head, DeepLabHead):
        low = head.reduce_low[0].out_channels
        head.aspp.project[0] = JoinedConv2d(head.aspp.project[0], equal=len(head.aspp.convs))
        if "width" in part.sizes.decisions:
            head.decoder[0][0] = JoinedConv2d(head.decoder[0][0], equal=1, fixed=low)
            narrowed = [head.aspp, *head.decoder[:-1]]
    make_elastic(head)
    if isinstance(head, LightHead):
        narrowed = [head.head.cbr, head.head.scale]
    head.register_forward_pre_hook(FollowingNumbers(part, channels, narrowed, list(_atrous(head, inputs))))


def _atrous(head: SegmentationHead, inputs: FeatureInfo) -> Iterator[tuple[ElasticConv2d, int, int]]:
    if isinstance(head, DeepLabHead):
        for times in (1, 2, 3):
            yield head.aspp.convs[times][0], inputs.levels[-1].reduction, times
    if isinstance(head, PerLevelHead):
        for level, pooled in zip(inputs.levels, head.levels, strict=True):
            yield pooled[0].convs[1][0], level.reduction, 1


def check_numbers(name: str, part: HeadPart, *, separable: bool, norm: str) -> None:
    """Refuses decisions that a head has no numbers for.

    Args:
        name: Of the head.
        part: With the decisions.
        separable: Whether its convolutions are separable.
        norm: The kind of its norms.

    Raises:
        ArgumentError: Naming the decision.
    """
    decisions = part.sizes.decisions
    wrong = {
        "width": {
            f"the head {name!r} is as wide as its maps": name == "per_level",
            "separable convolutions cannot be cut behind maps that are joined": separable and name == "deeplab",
            f"norm = {norm!r}: expected 'batch'": norm != "batch",
        },
        "rates": {f"the head {name!r} has no atrous convolutions": name == "light"},
    }
    for decision, reasons in wrong.items():
        for reason, holds in reasons.items():
            if holds and decision in decisions:
                raise ArgumentError(
                    f"backbone has a part of the space {part.sizes.name!r} that decides {decision!r}: {reason}"
                )
