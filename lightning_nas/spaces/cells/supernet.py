"""Supernets with the macro network of the DARTS family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.spaces.cells.macro import DartsMacro
from lightning_nas.spaces.option_weights import Mixed, OptionWeights
from lightning_nas.spaces.supernet import Supernet


class DartsMacroSupernet(Supernet):
    """A supernet with the macro network of the DARTS family.

    Args:
        groups: Group name -> ``(edges, options)``.
        macro: The network; its cells get the option weights after their two states.
        generator: Draws the initial logits, see :class:`Supernet`.
    """

    def __init__(
        self, groups: Mapping[str, tuple[int, int]], macro: DartsMacro, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(groups, generator)
        self.macro = macro
        self.feature_info = macro.feature_info.within("macro")
        self.auxiliary_info = macro.auxiliary_info.within("macro")

    def mixed(self) -> list[Mixed]:
        """The edges of all cells."""
        cells: list[Any] = list(self.macro.cells)
        return [Mixed(edge, cell.group, row) for cell in cells for row, edge in enumerate(cell.edges)]

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, auxiliary map."""
        weights: Mapping[str, OptionWeights] = self.option_weights()
        features, auxiliary = self.macro(self.laid_out(x), weights)
        return features, auxiliary
