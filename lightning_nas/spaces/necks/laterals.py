"""How the maps of a backbone enter a pyramid, and how a map moves between its levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch.fx
from torch import Tensor, nn

from lightning_nas.spaces.features import FeatureInfo
from lightning_nas.spaces.necks.levels import source_maps


class LateralInputs(nn.Module):
    """A backbone's maps brought to one width by 1x1 convolutions with BatchNorm; coarser levels are pooled from the last.

    Args:
        inputs: The backbone's maps.
        channels: Width of all levels.
        min_level: The finest level.
        max_level: The coarsest level.
        always: Whether a map that has the width already is convolved as well.
    """

    def __init__(
        self, inputs: FeatureInfo | None, channels: int, min_level: int, max_level: int, *, always: bool = False
    ) -> None:
        super().__init__()
        self.sources = source_maps(inputs, min_level, max_level)
        self.pooled = max_level - min_level + 1 - len(self.sources)
        assert inputs is not None  # source_maps has checked
        widths = [inputs.channels()[index] for index in self.sources]
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1), nn.BatchNorm2d(channels))
            if always or width != channels
            else nn.Identity()
            for width in widths
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The backbone's maps -> one map per level."""
        levels = [conv(maps[index]) for conv, index in zip(self.convs, self.sources, strict=True)]
        for _ in range(self.pooled):
            levels.append(nn.functional.max_pool2d(levels[-1], 2, ceil_mode=True))
        return levels


def resample(x: Tensor, like: Tensor) -> Tensor:
    """Brings a map to the size of another level: nearest neighbours upwards, max pooling downwards.

    Where one size divides the other this is pooling with kernel and stride ``2 ** d``; other sizes are met as well.
    """
    return _resample(x, like)


@torch.fx.wrap  # one node of a traced graph, because it looks at sizes
def _resample(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    if x.shape[-2:] == size:
        return x
    if size[0] >= x.shape[-2] and size[1] >= x.shape[-1]:
        return nn.functional.interpolate(x, size=size, mode="nearest")
    height, width = x.shape[-2] // size[0], x.shape[-1] // size[1]
    if (height * size[0], width * size[1]) == x.shape[-2:]:
        return nn.functional.max_pool2d(x, (height, width))
    return nn.functional.adaptive_max_pool2d(x, size)
