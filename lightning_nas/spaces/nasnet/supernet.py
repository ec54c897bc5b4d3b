"""The supernet of the NASNet family (Zoph et al. 2018, arXiv 1707.07012)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.cells.decisions import CELL_TYPES, SIDES
from lightning_nas.spaces.cells.macro import DartsMacro, reduction_cells
from lightning_nas.spaces.cells.supernet import DartsMacroSupernet
from lightning_nas.spaces.nasnet.cells import CellPlace
from lightning_nas.spaces.nasnet.search_cell import NasNetSearchCell, edge_number, inputs_group
from lightning_nas.spaces.nasnet.space import NasNet
from lightning_nas.spaces.option_weights import Mixed, Paths


class NasNetSupernet(DartsMacroSupernet, space=NasNet):
    """The supernet.

    Logits, per cell type: ``normal_inputs{n}``, the states that the two sides of block ``n`` may read, ``(2, n)``;
    ``normal``, the operations on every edge, ``(edges, operations)``. Only the edges of the chosen states count.

    Its cells concatenate all states, each times the probability that no block reads it, so that the projections that
    follow hold a slice of weights for every state, as in ENAS (Pham et al. 2018, arXiv 1802.03268).
    """

    def __init__(self, space: NasNet, generator: torch.Generator | None = None) -> None:
        fixed = {cell: space.fixed_concat(cell) for cell in CELL_TYPES}

        def build(c_prev_prev: int, c_prev: int, channels: int, reduction: bool, reduction_prev: bool) -> nn.Module:
            place = CellPlace(c_prev_prev, c_prev, channels, reduction, reduction_prev)
            kept = fixed["reduce" if reduction else "normal"]
            return NasNetSearchCell(
                place, space.ops, space.blocks, kept, closed=space.closed, affine=space.supernet_affine
            )

        normal, reduce = (1 if space.closed else len(fixed[cell] or range(space.blocks + 2)) for cell in CELL_TYPES)
        macro = DartsMacro(space.stem, space.channels, space.cells, (normal, reduce), space.in_channels, build)
        blocks = range(2, space.blocks + 2)
        groups = {cell: (len(SIDES) * sum(blocks), len(space.ops)) for cell in CELL_TYPES}
        groups |= {inputs_group(cell, block): (len(SIDES), block) for cell in CELL_TYPES for block in blocks}
        super().__init__(groups, macro, generator)
        self.space = space

    @staticmethod
    def decode(space: NasNet, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """For both sides of every block the likeliest pair of state and operation; ties go to the lower index.

        The probability of a pair is ``P(state) * P(operation | state)``, a softmax each.
        """
        choices: dict[str, Option] = {}
        for cell in CELL_TYPES:
            ops = logits[cell].detach().double().cpu().log_softmax(dim=-1)
            for block in range(2, space.blocks + 2):
                sources = logits[inputs_group(cell, block)].detach().double().cpu().log_softmax(dim=-1)
                for side in SIDES:
                    first = edge_number(block, side, 0)
                    joint = (sources[side, :, None] + ops[first : first + block]).flatten().tolist()
                    source, option = divmod(joint.index(max(joint)), len(space.ops))
                    choices[f"{cell}.{block}.input{side}"] = source
                    choices[f"{cell}.{block}.op{side}"] = space.ops[option]
        return {name: choices[name] for name in space.decisions}

    def mixed(self) -> list[Mixed]:
        """The edges of all cells; one counts as far as its state is read."""
        found = []
        cells: list[Any] = list(self.macro.cells)
        for cell in cells:
            for block in range(2, self.space.blocks + 2):
                for side in SIDES:
                    for source in range(block):
                        row = edge_number(block, side, source)
                        reach = partial(_read, group=inputs_group(cell.group, block), side=side, source=source)
                        found.append(Mixed(cell.edges[row], cell.group, row, reach))
        return found

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The state that every side of every block reads, and the operation on that edge."""
        self.space.validate(choices)
        path: dict[str, Paths] = {}
        for cell in CELL_TYPES:
            edges: list[tuple[int, ...]] = []
            for block, pair in enumerate(self.space.genes(choices, cell), start=2):
                path[inputs_group(cell, block)] = tuple((source,) for _, source in pair)
                for op, source in pair:
                    option = self.space.ops.index(op)
                    edges += [(option,) if origin == source else () for origin in range(block)]
            path[cell] = tuple(edges)
        return path

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """Operation ``k`` of a found cell is one candidate of one edge here; other modules have equal names.

        Projections that read a concatenation hold more weights here, those of all states.
        """
        self.space.validate(choices)
        sources = {}
        for index in range(self.space.cells):
            kind = "reduce" if index in reduction_cells(self.space.cells) else "normal"
            for block, pair in enumerate(self.space.genes(choices, kind), start=2):
                for side, (op, source) in enumerate(pair):
                    edge, option = edge_number(block, side, source), self.space.ops.index(op)
                    found = f"macro.cells.{index}.ops.{len(SIDES) * (block - 2) + side}"
                    sources[found] = f"macro.cells.{index}.edges.{edge}.candidates.{option}"
        return sources


def _read(probabilities: Mapping[str, Tensor], *, group: str, side: int, source: int) -> Tensor:
    """The probability that a side of a block reads a state."""
    return probabilities[group][side, source]
