"""The supernet of the DARTS space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.cells.decisions import (
    CELL_TYPES,
    active_options,
    candidate_of,
    entering_edges,
    strongest_genes,
)
from lightning_nas.spaces.cells.macro import DartsMacro, reduction_cells
from lightning_nas.spaces.cells.search_cell import SearchCell
from lightning_nas.spaces.cells.supernet import DartsMacroSupernet
from lightning_nas.spaces.darts.space import Darts
from lightning_nas.spaces.option_weights import Paths


class DartsSupernet(DartsMacroSupernet, space=Darts):
    """The DARTS supernet; logits ``normal`` and ``reduce``, ``(edges, operations)`` each."""

    def __init__(self, space: Darts, generator: torch.Generator | None = None) -> None:
        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> SearchCell:
            return SearchCell(space.ops, space.steps, c_prev_prev, c_prev, channels, reduction, reduction_prev)

        edges = sum(range(2, space.steps + 2))
        macro = DartsMacro(space.stem, space.channels, space.cells, space.steps, space.in_channels, build)
        super().__init__({cell: (edges, len(space.ops)) for cell in CELL_TYPES}, macro, generator)
        self.space = space

    @staticmethod
    def decode(space: Darts, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """Softmax per edge; for every node the two strongest edges (or pairs, see ``same_input``), never ``none``."""
        return _decoded(space, logits)

    @classmethod
    def decode_strengths(cls, space: Darts, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """The same of strengths, without a softmax."""
        return _decoded(space, strengths, relaxed=True)

    def edges_kept(self) -> dict[str, int]:
        """Two per node."""
        return dict.fromkeys(CELL_TYPES, 2)

    def nodes(self) -> dict[str, tuple[range, ...]]:
        """The edges into every node of both cells."""
        return dict.fromkeys(CELL_TYPES, entering_edges(self.space.steps))

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The options that an architecture uses on every edge."""
        self.space.validate(choices)
        return {cell: active_options(self.space.genes(choices, cell), self.space.ops) for cell in CELL_TYPES}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """Operation ``k`` of a found cell is one candidate of one edge here; all other modules have equal names."""
        replace(self.space, same_input=True).validate(choices)  # accepts what either decoding rule gives
        sources = {}
        for index in range(self.space.cells):
            genes = self.space.genes(choices, "reduce" if index in reduction_cells(self.space.cells) else "normal")
            for position, (edge, option) in enumerate(candidate_of(genes, self.space.ops)):
                sources[f"macro.cells.{index}.ops.{position}"] = f"macro.cells.{index}.edges.{edge}.candidates.{option}"
        return sources


def _decoded(space: Darts, logits: Mapping[str, Tensor], *, relaxed: bool = False) -> dict[str, Option]:
    genes = {
        cell: strongest_genes(logits[cell], space.ops, space.steps, same_input=space.same_input, relaxed=relaxed)
        for cell in CELL_TYPES
    }
    return space.from_genes(genes)
