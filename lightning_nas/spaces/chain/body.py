"""What found network and supernet of the chain space share."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence

from torch import Tensor, nn

from lightning_nas.ops.candidates.inverted_residual import InvertedResidual, conv_bn
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.places import STEM, Place, numbered


class Body(nn.Module):
    """Stem, stages, optional closing convolution; returns the last map of every resolution.

    Args:
        space: The chain space.
        stages: One module per stage; each is called with its index and the state.
    """

    def __init__(self, space: Chain, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self._stem_stride, self._strides = space.stem_stride, space.strides
        self.stem = nn.Sequential(conv_bn(space.in_channels, space.stem_channels, 3, space.stem_stride))
        if space.first_channels:
            self.stem.append(InvertedResidual(space.stem_channels, space.first_channels, expansion=1))
        self.stages = nn.ModuleList(stages)
        self.head = conv_bn(space.widths[-1], space.head_channels, 1) if space.head_channels else nn.Identity()
        taps: list[FeatureLevel] = []
        self._taken: set[int] = set()  # stages whose input is the last map of its resolution
        current = FeatureLevel(space.entry_channels, space.stem_stride, "stem")
        for index, (width, (stride, *_)) in enumerate(zip(space.widths, space.resolutions, strict=True)):
            if stride == 2:
                taps.append(current)
                self._taken.add(index)
            current = FeatureLevel(width, current.reduction * stride, f"stages.{index}")
        if space.head_channels:
            current = FeatureLevel(space.head_channels, current.reduction, "head")
        self.feature_info = FeatureInfo((*taps, current))

    def places(self) -> dict[str, Place]:
        """Where the layers of stem and inverted residuals stand; the closing convolution has no counterpart."""
        nominal = list(itertools.accumulate(self._strides, operator.mul, initial=self._stem_stride))[1:]
        first = len(self.stem) - 1  # whether a block of the stem is a stage of its own
        stages = numbered([self._stem_stride] * first + nominal)
        found = {"stem.0.conv": Place(STEM, 0, 0, "0"), "stem.0.norm": Place(STEM, 0, 0, "1")}
        for name, block in self.named_modules():
            if not isinstance(block, InvertedResidual):
                continue
            where = name.split(".")
            if where[0] == "stem":
                stage, layer = 0, 0
            else:
                stage, layer = int(where[1]) + first, int(where[3] if where[2] == "layers" else where[2])
            for part, _ in block.layers.named_children():
                found[f"{name}.layers.{part}.conv"] = Place(*stages[stage], layer, part)
                found[f"{name}.layers.{part}.norm"] = Place(*stages[stage], layer, f"{part}_norm")
        return found

    def forward(self, x: Tensor, stage_inputs: Sequence[tuple[object, ...]] | None = None) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`. ``stage_inputs`` go to the stages."""
        features = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if index in self._taken:
                features.append(x)
            x = stage(x, *(stage_inputs[index] if stage_inputs else ()))
        return [*features, self.head(x)]
