"""The fixed network of the NAS-FPN space."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import FeatureInfo, Outlets
from lightning_nas.spaces.necks.laterals import LateralInputs, resample
from lightning_nas.spaces.necks.levels import pyramid_info
from lightning_nas.spaces.necks.nas_fpn.space import NasFpn
from lightning_nas.spaces.necks.nas_fpn.tokens import MergingCell
from lightning_nas.spaces.necks.neck import NeckNetwork, StackedNeck


def merge_conv(channels: int, *, affine: bool = True) -> nn.Sequential:
    """What follows a merge: ReLU, 3x3 convolution with bias, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels, affine=affine)
    )


def gate(x: Tensor) -> Tensor:
    """Attention of a map to its channels: sigmoid of the global maximum, ``(B, C, H, W) -> (B, C, 1, 1)``."""
    return x.amax(dim=(2, 3), keepdim=True).sigmoid()


class Stack(nn.Module):
    """The merging cells of an architecture, once.

    A cell that gives a level of the result also takes in every earlier map of that level that no cell has read so far.

    Args:
        space: The space.
        cells: The architecture.
    """

    def __init__(self, space: NasFpn, cells: Sequence[MergingCell]) -> None:
        super().__init__()
        self.tokens, self.levels, self.free_cells = tuple(cells), space.levels, space.free_cells
        self.cells = nn.ModuleList(merge_conv(space.channels) for _ in cells)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """One map per level -> one map per level."""
        candidates, levels = list(maps), list(self.levels)
        read: set[int] = set()
        for index, (token, conv) in enumerate(zip(self.tokens, self.cells, strict=True)):
            like = maps[token.level - self.levels[0]]
            a, b = (resample(candidates[source], like) for source in (token.a, token.b))
            if token.op == "sum":
                merged = a + b
            elif levels[token.a] >= levels[token.b]:  # the coarser map (the first of equals) is the context
                merged = a + gate(candidates[token.a]) * b
            else:
                merged = b + gate(candidates[token.b]) * a
            read |= {token.a, token.b}
            if index >= self.free_cells:
                for other in range(len(candidates)):
                    if other not in read and levels[other] == token.level:
                        merged = merged + candidates[other]
                        read.add(other)
            candidates.append(conv(merged))
            levels.append(token.level)
        first = len(self.levels) + self.free_cells
        return [candidates[levels.index(level, first)] for level in self.levels]


class NasFpnNetwork(StackedNeck, NeckNetwork, space=NasFpn):
    """A found neck.

    Args:
        space: The space.
        choices: The architecture.
        inputs: The backbone's maps.

    Raises:
        ValueError: If the backbone lacks a level.
    """

    def __init__(self, space: NasFpn, choices: Choices, inputs: FeatureInfo | None) -> None:
        super().__init__()
        cells = space.tokens(choices)
        self.laterals = LateralInputs(inputs, space.channels, space.min_level, space.max_level)
        self.stacks = nn.ModuleList(Stack(space, cells) for _ in range(space.repeats))
        self.outlets = Outlets(len(space.levels))
        self.feature_info = pyramid_info(space.channels, space.levels)

    def forward_auxiliary(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The backbone's maps -> one map per level, None."""
        return self.outlets(self.run_stacks(self.stacks, self.laterals(x))), None
