"""Body and found network of the multi-branch space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.multi_branch.blocks import Block
from lightning_nas.spaces.multi_branch.branches import build_branch, conv_bn_relu
from lightning_nas.spaces.multi_branch.space import MultiBranch


class Body(nn.Module):
    """Stem and stages; returns the last map of every resolution.

    Args:
        space: The space.
        build: Index of a block among all, channels of its input, of its branches, of its output, and stride -> the block.
    """

    def __init__(self, space: MultiBranch, build: Callable[[int, int, int, int, int], nn.Module]) -> None:
        super().__init__()
        step = (space.stem_stride, space.stem_stride)
        self.stem = nn.Sequential(*conv_bn_relu(space.in_channels, space.stem_channels, (3, 3), step, affine=True))
        self.stages = nn.ModuleList()
        self._taken: set[int] = set()  # stages whose input is the last map of its resolution
        levels: list[FeatureLevel] = []
        current, index = FeatureLevel(space.stem_channels, space.stem_stride, "stem"), 0
        shapes = zip(space.widths, space.branch_channels, space.depths, space.strides, strict=True)
        for stage, (width, channels, depth, stride) in enumerate(shapes):
            if stride == 2:
                levels.append(current)
                self._taken.add(stage)
            blocks = []
            for place in range(depth):
                before = width if place else current.channels
                blocks.append(build(index, before, channels, width, 1 if place else stride))
                index += 1
            self.stages.append(nn.ModuleList(blocks))
            current = FeatureLevel(width, current.reduction * stride, f"stages.{stage}.{depth - 1}")
        self.feature_info = FeatureInfo((*levels, current))

    def forward(self, x: Tensor, weights: Sequence[tuple[object, ...]] | None = None) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`; ``weights`` go to the blocks."""
        features, index = [], 0
        x = self.stem(x)
        for number, stage in enumerate(self.stages):
            if number in self._taken:
                features.append(x)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, *(weights[index] if weights else ()))
                index += 1
        return [*features, x]


class MultiBranchNetwork(FoundNetwork, space=MultiBranch):
    """A found network."""

    def __init__(self, space: MultiBranch, choices: Choices) -> None:
        super().__init__()
        genes = space.genes(choices)

        def build(index: int, before: int, channels: int, width: int, stride: int) -> nn.Module:
            ops, cardinality = genes[index]
            branches = [build_branch(name, before, channels, stride, cardinality) for name in ops]
            return Block(branches, before, channels, width, stride)

        self.body = Body(space, build)
        self.feature_info = self.body.feature_info.within("body")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.body(x), None
