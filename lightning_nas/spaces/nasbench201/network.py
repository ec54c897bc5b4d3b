"""The found network of the NAS-Bench-201 space."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.nasbench201.cells import Cell
from lightning_nas.spaces.nasbench201.macro import Macro
from lightning_nas.spaces.nasbench201.space import NasBench201


class NasBench201Network(FoundNetwork, space=NasBench201):
    """A found network of the NAS-Bench-201 space."""

    def __init__(self, space: NasBench201, choices: Choices) -> None:
        super().__init__()
        ops = space.edge_ops(choices)

        def build(channels: int) -> nn.Module:
            return Cell(ops, space.nodes, channels)

        self.macro = Macro(space.in_channels, space.channels, space.cells, space.stem, build)
        self.feature_info = self.macro.feature_info.within("macro")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.macro(x), None
