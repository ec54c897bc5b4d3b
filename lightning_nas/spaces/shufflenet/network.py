"""The found network of the ShuffleNetV2 space."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.ops import build_op
from lightning_nas.ops.candidates.shuffle import set_split
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.shufflenet.body import closing, described, layer_sizes, stem
from lightning_nas.spaces.shufflenet.space import ShuffleNetV2


class ShuffleNetwork(FoundNetwork, space=ShuffleNetV2):
    """A found network."""

    def __init__(self, space: ShuffleNetV2, choices: Choices) -> None:
        super().__init__()
        self.stem = stem(space, affine=True)
        self.stages = nn.ModuleList(
            nn.Sequential(*(build_op(name, *size[:2], stride=size[2]) for name, size in zip(ops, sizes, strict=True)))
            for ops, sizes in zip(space.stage_ops(choices), layer_sizes(space), strict=True)
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
