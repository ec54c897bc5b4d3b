"""The macro network of the DARTS family: stem, cells with two inputs, three resolutions (and those of the stem).

Shared by the fixed network and the supernet, which differ only in their cells. Source: Liu, Simonyan, Yang 2019,
arXiv 1806.09055, section 3 and appendix.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lightning_nas.spaces.features import FeatureInfo, FeatureLevel

CellBuilder = Callable[[int, int, int, bool, bool], nn.Module]
"""``build(c_prev_prev, c_prev, channels, reduction, reduction_prev)``; the cell returns ``4 * channels`` channels."""


def reduction_cells(cells: int) -> set[int]:
    """Indices of the cells that halve the resolution and double the channels."""
    return {cells // 3, 2 * cells // 3}


class DartsMacro(nn.Module):
    """Stem and cells; returns the last map of every resolution.

    Args:
        stem: Stride before the first cell: ``"cifar"`` 1, ``"stride2"``, ``"stride4"``, ``"imagenet"`` 8.
        channels: Channels of the first cells.
        cells: Number of cells.
        multiplier: Number of nodes that a cell concatenates; a pair where normal and reduction cells differ.
        in_channels: Channels of the image.
        build_cell: Makes one cell.
    """

    def __init__(
        self,
        stem: str,
        channels: int,
        cells: int,
        multiplier: int | tuple[int, int],
        in_channels: int,
        build_cell: CellBuilder,
    ) -> None:
        super().__init__()
        self.stem_kind = stem
        taps: list[FeatureLevel] = []  # the last map of each resolution so far
        if stem == "cifar":
            self.stem = nn.Sequential(
                nn.Conv2d(in_channels, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
            )
            c_prev_prev = c_prev = 3 * channels
            stride, reduction_prev = 1, False
            current = FeatureLevel(c_prev, 1, "stem")
        else:
            self.stem0 = nn.Sequential(
                nn.Conv2d(in_channels, channels // 2, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels // 2),
                nn.ReLU(),
            )
            self.stem1 = nn.Sequential(
                nn.Conv2d(channels // 2, channels, 3, stride=1 if stem == "stride2" else 2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
            )
            reduction_prev, c_prev = stem != "stride2", channels
            if stem != "stride2":
                taps.append(FeatureLevel(channels // 2, 2, "stem0"))
            if stem != "imagenet":
                stride = 2 if stem == "stride2" else 4
                c_prev_prev, current = channels // 2, FeatureLevel(channels, stride, "stem1")
            else:
                self.stem2 = nn.Sequential(
                    nn.ReLU(),
                    nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(channels),
                )
                taps.append(FeatureLevel(channels, 4, "stem1"))
                c_prev_prev, stride, current = channels, 8, FeatureLevel(channels, 8, "stem2")

        self.cells = nn.ModuleList()
        self.auxiliary_cell = 2 * cells // 3
        self._stage_ends: set[int] = set()
        width = channels
        normal, reduce = multiplier if isinstance(multiplier, tuple) else (multiplier, multiplier)
        for index in range(cells):
            reduction = index in reduction_cells(cells)
            if reduction:
                taps.append(current)
                self._stage_ends.add(index - 1)
                width, stride = 2 * width, 2 * stride
            self.cells.append(build_cell(c_prev_prev, c_prev, width, reduction, reduction_prev))
            reduction_prev = reduction
            c_prev_prev, c_prev = c_prev, (reduce if reduction else normal) * width
            current = FeatureLevel(c_prev, stride, f"cells.{index}")
            if index == self.auxiliary_cell:
                self.auxiliary_info = current
        self.feature_info = FeatureInfo((*taps, current))

    def forward(self, x: Tensor, *cell_inputs: object) -> tuple[list[Tensor], Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`, and the auxiliary map.

        ``cell_inputs`` are handed to every cell after its two states.
        """
        features = []
        if self.stem_kind == "cifar":
            previous = state = self.stem(x)
        elif self.stem_kind != "imagenet":
            previous = self.stem0(x)
            state = self.stem1(previous)
            features += [previous] if self.stem_kind == "stride4" else []
        else:
            half = self.stem0(x)
            previous = self.stem1(half)
            state = self.stem2(previous)
            features += [half, previous]
        auxiliary = state
        if -1 in self._stage_ends:
            features.append(state)
        for index, cell in enumerate(self.cells):
            previous, state = state, cell(previous, state, *cell_inputs)
            if index in self._stage_ends:
                features.append(state)
            if index == self.auxiliary_cell:
                auxiliary = state
        return [*features, state], auxiliary
