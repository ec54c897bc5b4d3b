"""The found network of the GAS space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from lightning_nas.spaces.cells.cell import Cell
from lightning_nas.spaces.cells.decisions import NodeGenes
from lightning_nas.spaces.cells.macro import DartsMacro
from lightning_nas.spaces.features import Backbone

if TYPE_CHECKING:
    from lightning_nas.spaces.gas.space import Gas


STEM = "stride4"


class GasNetwork(Backbone):
    """A found network.

    Args:
        space: The space.
        genes: Of every cell.
    """

    def __init__(self, space: Gas, genes: Sequence[Sequence[NodeGenes]]) -> None:
        super().__init__()
        remaining = iter(genes)

        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> Cell:
            return Cell(next(remaining), c_prev_prev, c_prev, channels, reduction, reduction_prev)

        self.macro = DartsMacro(STEM, space.channels, space.cells, space.steps, space.in_channels, build)
        self.feature_info = self.macro.feature_info.within("macro")
        self.auxiliary_info = self.macro.auxiliary_info.within("macro")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, auxiliary map."""
        features, auxiliary = self.macro(x)
        return features, auxiliary
