"""The found network of the NASNet family (Zoph et al. 2018, arXiv 1707.07012)."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.cells.decisions import CELL_TYPES
from lightning_nas.spaces.cells.macro import DartsMacro
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.nasnet.cells import CellPlace, NasNetCell
from lightning_nas.spaces.nasnet.space import NasNet


class NasNetNetwork(FoundNetwork, space=NasNet):
    """A found network."""

    def __init__(self, space: NasNet, choices: Choices) -> None:
        super().__init__()
        genes = {cell: space.genes(choices, cell) for cell in CELL_TYPES}
        kept = {cell: space.kept(choices, cell) for cell in CELL_TYPES}
        built = 0

        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> nn.Module:
            nonlocal built
            built += 1
            kind = "reduce" if reduction else "normal"
            place = CellPlace(c_prev_prev, c_prev, channels, reduction, reduction_prev)
            return NasNetCell(place, genes[kind], kept[kind], closed=space.closed, share=built / space.cells)

        widths = (1, 1) if space.closed else (len(kept["normal"]), len(kept["reduce"]))
        self.macro = DartsMacro(space.stem, space.channels, space.cells, widths, space.in_channels, build)
        self.feature_info = self.macro.feature_info.within("macro")
        self.auxiliary_info = self.macro.auxiliary_info.within("macro")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, auxiliary map."""
        features, auxiliary = self.macro(x)
        return features, auxiliary
