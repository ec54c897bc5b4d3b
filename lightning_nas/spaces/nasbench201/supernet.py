"""The supernet of the NAS-Bench-201 space."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.nasbench201.cells import SearchCell
from lightning_nas.spaces.nasbench201.macro import STAGES, Macro
from lightning_nas.spaces.nasbench201.space import GROUP, NasBench201
from lightning_nas.spaces.option_weights import Mixed, Paths, strongest
from lightning_nas.spaces.supernet import Supernet


class NasBench201Supernet(Supernet, space=NasBench201):
    """The supernet; logits ``cell``, ``(edges, operations)``."""

    def __init__(self, space: NasBench201, generator: torch.Generator | None = None) -> None:
        super().__init__({GROUP: (len(space.decisions), len(space.ops))}, generator)
        self.space = space

        def build(channels: int) -> nn.Module:
            return SearchCell(space.ops, space.nodes, channels)

        self.macro = Macro(space.in_channels, space.channels, space.cells, space.stem, build)
        self.feature_info = self.macro.feature_info.within("macro")

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.macro(x, self.option_weights()[GROUP]), None

    @staticmethod
    def decode(space: NasBench201, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest operation of every edge, ``none`` included; ties go to the lower index."""
        return {name: space.ops[strongest(row)] for name, row in zip(space.decisions, logits[GROUP], strict=True)}

    def nodes(self) -> dict[str, tuple[range, ...]]:
        """The edges into every node but the first."""
        starts = [node * (node - 1) // 2 for node in range(1, self.space.nodes + 1)]
        return {GROUP: tuple(range(start, stop) for start, stop in itertools.pairwise(starts))}

    def mixed(self) -> list[Mixed]:
        """The edges of all cells."""
        cells = [cell for cell in self.macro.modules() if isinstance(cell, SearchCell)]
        return [Mixed(edge, GROUP, row) for cell in cells for row, edge in enumerate(cell.edges)]

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The one operation that an architecture uses on every edge."""
        self.space.validate(choices)
        return {GROUP: tuple((self.space.ops.index(op),) for op in self.space.edge_ops(choices))}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """The operation of an edge is one of the edge's candidates here."""
        self.space.validate(choices)
        sources = {}
        for stage in range(STAGES):
            for cell in range(self.space.cells):
                for edge, op in enumerate(self.space.edge_ops(choices)):
                    found = f"macro.stages.{stage}.{cell}.edges.{edge}"
                    sources[found] = f"{found}.candidates.{self.space.ops.index(op)}"
        return sources
