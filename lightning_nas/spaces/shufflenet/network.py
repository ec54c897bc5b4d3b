"""The found network of the ShuffleNetV2 space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lightning_nas.ops import build_op
from lightning_nas.ops.shuffle import set_split
from lightning_nas.spaces.features import Backbone
from lightning_nas.spaces.shufflenet.body import closing, described, layer_sizes, stem

if TYPE_CHECKING:
    from lightning_nas.spaces.shufflenet.space import ShuffleNetV2


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
