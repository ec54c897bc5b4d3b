"""Fixed network and supernet of the ShuffleNetV2 space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.ops import build_op
from lightning_nas.ops.shuffle import set_split
from lightning_nas.spaces.chain_blocks import MixedLayer
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.spaces.supernet import Paths, Supernet

if TYPE_CHECKING:
    from lightning_nas.spaces.shufflenet import ShuffleNetV2

BLOCKS = "blocks"
"""Name of the group of logits."""


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


class ShuffleNetwork(Backbone):
    """A found network; ``stage_ops`` are the blocks of its layers, per stage."""

    def __init__(self, space: ShuffleNetV2, stage_ops: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.stem = stem(space, affine=True)
        self.stages = nn.ModuleList(
            nn.Sequential(*(build_op(name, *size[:2], stride=size[2]) for name, size in zip(ops, sizes, strict=True)))
            for ops, sizes in zip(stage_ops, layer_sizes(space), strict=True)
        )
        set_split(self.stages, space.split)
        self.head = closing(space, affine=True)
        self.feature_info = described(space)

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return [*features[:-1], self.head(x)], None


class ShuffleSupernet(Supernet):
    """The supernet. Logits: ``blocks``, one row per layer."""

    def __init__(self, space: ShuffleNetV2, generator: torch.Generator | None = None) -> None:
        super().__init__({BLOCKS: (len(space.decisions), len(space.ops))}, generator)
        self.space = space
        affine = space.supernet_affine
        self.stem = stem(space, affine)
        self.stages = nn.ModuleList(
            nn.ModuleList(MixedLayer(space.ops, *size, affine=affine) for size in sizes) for sizes in layer_sizes(space)
        )
        set_split(self.stages, space.split)
        self.head = closing(space, affine)
        self.feature_info = described(space)

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        weights = self.option_weights()[BLOCKS]
        x = self.stem(x)
        features, row = [], 0
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                x = layer(x, weights.values[row], None if weights.active is None else weights.active[row])
                row += 1
            features.append(x)
        return [*features[:-1], self.head(x)], None

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The block of every layer."""
        self.space.validate(choices)
        return {BLOCKS: tuple((self.space.ops.index(choices[name]),) for name in self.space.decisions)}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """The block of a layer is one of the layer's candidates here."""
        return {
            f"stages.{stage}.{layer}": f"stages.{stage}.{layer}.candidates.{self.space.ops.index(op)}"
            for stage, ops in enumerate(self.space.stage_ops(choices))
            for layer, op in enumerate(ops)
        }
