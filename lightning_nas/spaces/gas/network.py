"""The found network of the GAS space."""

from __future__ import annotations

from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.spaces.cells.cell import Cell
from lightning_nas.spaces.cells.macro import DartsMacro
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.gas.space import Gas

STEM = "stride4"


class GasNetwork(FoundNetwork, space=Gas):
    """A found network.

    Args:
        space: The space.
        choices: The architecture.
    """

    def __init__(self, space: Gas, choices: Choices) -> None:
        super().__init__()
        remaining = iter([space.genes(choices, cell) for cell in space.groups])

        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> Cell:
            return Cell(next(remaining), c_prev_prev, c_prev, channels, reduction, reduction_prev)

        self.macro = DartsMacro(STEM, space.channels, space.cells, space.steps, space.in_channels, build)
        self.feature_info = self.macro.feature_info.within("macro")
        self.auxiliary_info = self.macro.auxiliary_info.within("macro")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, auxiliary map."""
        features, auxiliary = self.macro(x)
        return features, auxiliary
