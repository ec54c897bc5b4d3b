"""The networks of the necks drawn by hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import FeatureInfo, Outlets
from lightning_nas.spaces.necks.fixed.space import BiFpn, Fpn, Panet
from lightning_nas.spaces.necks.laterals import LateralInputs, resample
from lightning_nas.spaces.necks.levels import pyramid_info, source_maps
from lightning_nas.spaces.necks.neck import NeckNetwork


class StridedLevels(ExtraFPNBlock):
    """Coarser levels by strided 3x3 convolutions, the first on the coarsest map of the pyramid (RetinaNet's P6, P7).

    Args:
        channels: Width of all maps.
        count: Number of levels to add.

    Attributes:
        names: Of the levels that are added.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.names = [f"extra{index}" for index in range(count)]
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(count))

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        """Appends the levels to the results."""
        for index, conv in enumerate(self.convs):
            last = results[-1] if index == 0 else results[-1].relu()
            results = [*results, conv(last)]
        return results, [*names, *self.names]


class PooledLevels(ExtraFPNBlock):
    """Coarser levels by max pooling of kernel 1 and stride 2, which takes every second value of the level before.

    So Faster R-CNN gets its P6, for large proposals alone (Lin et al. 2017, arXiv 1612.03144, section 4.1).

    Args:
        count: Number of levels to add.

    Attributes:
        names: Of the levels that are added; the first is torchvision's ``"pool"``.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.names = [f"pool{index + 1}" if index else "pool" for index in range(count)]

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        """Appends the levels to the results."""
        for _ in self.names:
            results = [*results, nn.functional.max_pool2d(results[-1], 1, stride=2)]
        return results, [*names, *self.names]


class FpnNetwork(NeckNetwork, space=Fpn):
    """torchvision's feature pyramid on the maps of a backbone; coarser levels are convolved or pooled.

    Attributes:
        merged_stride: Of the coarsest map that is merged with finer ones; what is added to the pyramid is not.

    Raises:
        ValueError: If the backbone lacks a level.
    """

    def __init__(self, space: Fpn, choices: Choices, inputs: FeatureInfo | None) -> None:
        super().__init__()
        channels, min_level, max_level = space.channels, space.min_level, space.max_level
        self.sources = source_maps(inputs, min_level, max_level)
        assert inputs is not None  # source_maps has checked
        widths = [inputs.channels()[index] for index in self.sources]
        self.merged_stride = max(inputs.reduction()[index] for index in self.sources)
        extra = max_level - min_level + 1 - len(self.sources)
        block = PooledLevels(extra) if space.extra == "pool" else StridedLevels(channels, extra)
        self.fpn = FeaturePyramidNetwork(widths, channels, block if extra else None)
        self.names = [*map(str, self.sources), *block.names]
        self.outlets = Outlets(max_level - min_level + 1)
        self.feature_info = pyramid_info(channels, range(min_level, max_level + 1))

    def forward_auxiliary(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The backbone's maps -> one map per level, None."""
        maps = self.fpn(OrderedDict((str(index), x[index]) for index in self.sources))
        return self.outlets([maps[name] for name in self.names]), None


class PanetNetwork(NeckNetwork, space=Panet):
    """A feature pyramid, then from fine to coarse ``N(l + 1) = conv(conv_stride2(N(l)) + P(l + 1))``.

    Raises:
        ValueError: If the backbone lacks a level.
    """

    def __init__(self, space: Panet, choices: Choices, inputs: FeatureInfo | None) -> None:
        super().__init__()
        channels, min_level, max_level = space.channels, space.min_level, space.max_level
        self.pyramid = FpnNetwork(Fpn(channels, min_level, max_level), {}, inputs)
        steps = max_level - min_level
        self.down = nn.ModuleList(_conv_relu(channels, stride=2) for _ in range(steps))
        self.fuse = nn.ModuleList(_conv_relu(channels) for _ in range(steps))
        self.outlets = Outlets(steps + 1)
        self.feature_info = pyramid_info(channels, range(min_level, max_level + 1))

    def forward_auxiliary(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The backbone's maps -> one map per level, None."""
        levels, _ = self.pyramid.forward_auxiliary(x)
        results = [levels[0]]
        for level, down, fuse in zip(levels[1:], self.down, self.fuse, strict=True):
            results.append(fuse(down(results[-1]) + level))
        return self.outlets(results), None


class WeightedSum(nn.Module):
    """Fast normalised fusion, SiLU, separable 3x3 convolution, BatchNorm.

    ``sum_i relu(w_i) x_i / (sum_i relu(w_i) + 1e-4)`` (Tan, Pang, Le 2020, arXiv 1911.09070, section 3.3).

    Args:
        channels: Width of the maps.
        terms: Number of maps that are added up.
    """

    def __init__(self, channels: int, terms: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(terms))
        self.conv = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of one size -> their fusion."""
        weights = self.weights.relu()
        weights = weights / (weights.sum() + 1e-4)
        fused: Tensor = self.conv(torch.stack([weights[index] * x for index, x in enumerate(maps)]).sum(dim=0))
        return fused


class BiFpnLayer(nn.Module):
    """From coarse to fine, then from fine to coarse with the inputs added once more.

    Args:
        channels: Width of the maps.
        levels: Number of levels, at least two.
    """

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.up = nn.ModuleList(WeightedSum(channels, 2) for _ in range(levels - 1))
        # Levels between the ends take three maps: the input, the way down's, and the finer result.
        self.down = nn.ModuleList(WeightedSum(channels, 3 if i < levels - 2 else 2) for i in range(levels - 1))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """One map per level -> one map per level."""
        between = [levels[-1]]
        for x, fuse in zip(reversed(levels[:-1]), self.up, strict=True):
            between.insert(0, fuse([x, resample(between[0], x)]))
        results = [between[0]]
        for index, fuse in enumerate(self.down, start=1):
            last = index == len(levels) - 1
            maps = [levels[index], resample(results[-1], levels[index])]
            results.append(fuse(maps if last else [maps[0], between[index], maps[1]]))
        return results


class BiFpnNetwork(NeckNetwork, space=BiFpn):
    """Laterals of equal width, then :class:`BiFpnLayer` several times.

    Raises:
        ValueError: If the backbone lacks a level.
    """

    def __init__(self, space: BiFpn, choices: Choices, inputs: FeatureInfo | None) -> None:
        super().__init__()
        channels, min_level, max_level = space.channels, space.min_level, space.max_level
        self.laterals = LateralInputs(inputs, channels, min_level, max_level, always=True)
        count = max_level - min_level + 1
        self.layers = nn.ModuleList(BiFpnLayer(channels, count) for _ in range(space.repeats))
        self.outlets = Outlets(count)
        self.feature_info = pyramid_info(channels, range(min_level, max_level + 1))

    def forward_auxiliary(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The backbone's maps -> one map per level, None."""
        levels = self.laterals(x)
        for layer in self.layers:
            levels = layer(levels)
        return self.outlets(levels), None


def _conv_relu(channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1), nn.ReLU())
