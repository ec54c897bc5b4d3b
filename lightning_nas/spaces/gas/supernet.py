"""The supernet of the GAS space."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.cells.decisions import (
    active_options,
    candidate_of,
    choices_of,
    entering_edges,
    strongest_genes,
)
from lightning_nas.spaces.cells.macro import DartsMacro, reduction_cells
from lightning_nas.spaces.cells.search_cell import SearchCell
from lightning_nas.spaces.cells.supernet import DartsMacroSupernet
from lightning_nas.spaces.gas.guide import GraphGuide
from lightning_nas.spaces.gas.network import STEM
from lightning_nas.spaces.gas.space import Gas
from lightning_nas.spaces.option_weights import Paths, Placement


class GasSupernet(DartsMacroSupernet, space=Gas):
    """The supernet; logits ``cell{k}``, ``(edges, operations)`` each.

    Attributes:
        guides: One for every cell but the first; none where cells are not guided. Their parameters are weights.
    """

    def __init__(self, space: Gas, generator: torch.Generator | None = None) -> None:
        names = iter(space.groups)

        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> SearchCell:
            cell = SearchCell(space.ops, space.steps, c_prev_prev, c_prev, channels, reduction, reduction_prev)
            cell.group = next(names)
            return cell

        edges = sum(range(2, space.steps + 2))
        macro = DartsMacro(STEM, space.channels, space.cells, space.steps, space.in_channels, build)
        super().__init__({cell: (edges, len(space.ops)) for cell in space.groups}, macro, generator)
        self.space = space
        self.guides = nn.ModuleList(GraphGuide(len(space.ops)) for _ in space.groups[1:] if space.guided)

    def guide(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """The logits of every cell after hearing those of the cell before it."""
        guided = dict(logits)
        for guide, previous, current in zip(self.guides, self.space.groups, self.space.groups[1:], strict=False):
            guided[current] = guide(logits[current], logits[previous])
        return guided

    def placements(self, height: int, width: int) -> dict[str, list[Placement]]:
        """For an image of that size: per group of logits the placement of every edge."""
        size = (-(-height // 4), -(-width // 4))
        channels = self.space.channels
        found: dict[str, list[Placement]] = {}
        for index, cell in enumerate(self.space.groups):
            before, stride = size, 1
            if index in reduction_cells(self.space.cells):
                channels, stride = 2 * channels, 2
                size = (-(-size[0] // 2), -(-size[1] // 2))
            found[cell] = [
                Placement(channels, *(before if source < 2 else size), stride if source < 2 else 1)
                for node in range(2, self.space.steps + 2)
                for source in range(node)
            ]
        return found

    @staticmethod
    def decode(space: Gas, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest operation of every edge, which may be ``none``, and the two strongest edges of every node."""
        return _decoded(space, logits)

    @classmethod
    def decode_strengths(cls, space: Gas, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """The same of strengths, without a softmax."""
        return _decoded(space, strengths, relaxed=True)

    def edges_kept(self) -> dict[str, int]:
        """Two per node."""
        return dict.fromkeys(self.space.groups, 2)

    def nodes(self) -> dict[str, tuple[range, ...]]:
        """The edges into every node of every cell."""
        return dict.fromkeys(self.space.groups, entering_edges(self.space.steps))

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The options that an architecture uses on every edge."""
        self.space.validate(choices)
        return {cell: active_options(self.space.genes(choices, cell), self.space.ops) for cell in self.space.groups}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """Operation ``i`` of a found cell is one candidate of one edge here; all other modules have equal names."""
        self.space.validate(choices)
        return {
            f"macro.cells.{index}.ops.{position}": f"macro.cells.{index}.edges.{edge}.candidates.{option}"
            for index, cell in enumerate(self.space.groups)
            for position, (edge, option) in enumerate(candidate_of(self.space.genes(choices, cell), self.space.ops))
        }


def _decoded(space: Gas, logits: Mapping[str, Tensor], *, relaxed: bool = False) -> dict[str, Option]:
    choices: dict[str, Option] = {}
    for cell in space.groups:
        genes = strongest_genes(logits[cell], space.ops, space.steps, with_none=True, relaxed=relaxed)
        choices |= choices_of(genes, cell)
    return choices
