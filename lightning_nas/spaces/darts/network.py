"""The found network of the DARTS space."""

from __future__ import annotations

from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.spaces.cells.cell import Cell
from lightning_nas.spaces.cells.decisions import CELL_TYPES
from lightning_nas.spaces.cells.macro import DartsMacro
from lightning_nas.spaces.darts.space import Darts
from lightning_nas.spaces.found import FoundNetwork


class DartsNetwork(FoundNetwork, space=Darts):
    """A found network of the DARTS space."""

    def __init__(self, space: Darts, choices: Choices) -> None:
        super().__init__()
        genes = {cell: space.genes(choices, cell) for cell in CELL_TYPES}

        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> Cell:
            nodes = genes["reduce" if reduction else "normal"]
            return Cell(nodes, c_prev_prev, c_prev, channels, reduction, reduction_prev)

        self.macro = DartsMacro(space.stem, space.channels, space.cells, space.steps, space.in_channels, build)
        self.feature_info = self.macro.feature_info.within("macro")
        self.auxiliary_info = self.macro.auxiliary_info.within("macro")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, auxiliary map."""
        features, auxiliary = self.macro(x)
        return features, auxiliary
