"""The supernet of the NAS-FPN space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.features import FeatureInfo, Outlets
from lightning_nas.spaces.necks.laterals import LateralInputs
from lightning_nas.spaces.necks.levels import pyramid_info
from lightning_nas.spaces.necks.nas_fpn.mixed_stack import CellWeights, MixedStack
from lightning_nas.spaces.necks.nas_fpn.pieces import piece_counts, pieces_of
from lightning_nas.spaces.necks.nas_fpn.space import NasFpn
from lightning_nas.spaces.necks.nas_fpn.tokens import MERGE_OPS
from lightning_nas.spaces.necks.neck import StackedNeck
from lightning_nas.spaces.option_weights import Mixed, OptionWeights, Paths, strongest
from lightning_nas.spaces.pieces import Pieces
from lightning_nas.spaces.supernet import Supernet


class NasFpnSupernet(StackedNeck, Supernet, space=NasFpn):
    """The supernet.

    Logits: ``pair{i}``, one row over the pairs of candidates of cell ``i``; ``op``, a row per cell; ``level``, a row per
    cell that is free in its level; ``order``, one row over the orders of levels of the others.
    """

    role = "neck"

    @classmethod
    def of(cls, space: NasFpn, inputs: FeatureInfo | None, generator: torch.Generator | None) -> NasFpnSupernet:
        """The supernet on the maps of a backbone."""
        return cls(space, inputs, generator)

    def __init__(self, space: NasFpn, inputs: FeatureInfo | None, generator: torch.Generator | None = None) -> None:
        groups = {f"pair{i}": (1, len(space.pairs(i))) for i in range(space.cells)}
        groups |= {"op": (space.cells, 2), "order": (1, len(space.orders))}
        if space.free_cells:
            groups["level"] = (space.free_cells, len(space.levels))
        super().__init__(groups, generator)
        self.space = space
        self.laterals = LateralInputs(inputs, space.channels, space.min_level, space.max_level)
        self.stacks = nn.ModuleList(MixedStack(space) for _ in range(space.repeats))
        self.outlets = Outlets(len(space.levels))
        self.feature_info = pyramid_info(space.channels, space.levels)

    def all_maps(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The backbone's maps -> one map per level, None."""
        weights = self._cell_weights(self.option_weights())
        return self.outlets(self.run_stacks(self.stacks, self.laterals(x), weights)), None

    def _cell_weights(self, weights: Mapping[str, OptionWeights]) -> list[CellWeights]:
        space = self.space
        order = {space.orders[i]: p for i, p in _computed(weights["order"], 0).items()}
        cells = []
        for i in range(space.cells):
            computed = _computed(weights[f"pair{i}"], 0)
            pairs = [space.pairs(i)[k] for k in computed]
            if i < space.free_cells:
                levels = _computed(weights["level"], i)
            else:
                levels = {}
                for levels_in_order, p in order.items():
                    level = levels_in_order[i - space.free_cells] - space.min_level
                    levels[level] = levels[level] + p if level in levels else p
            ops = _computed(weights["op"], i)
            values = torch.stack(list(computed.values()))
            cells.append(CellWeights(pairs, values, dict(sorted(levels.items())), ops.get(0), ops.get(1)))
        return cells

    @staticmethod
    def decode(space: NasFpn, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest pair and operation of every cell, level of every free cell, and order of the others."""
        order = space.orders[strongest(logits["order"][0])]
        choices: dict[str, Option] = {}
        for i in range(space.cells):
            a, b = space.pairs(i)[strongest(logits[f"pair{i}"][0])]
            free = i < space.free_cells
            level = space.levels[strongest(logits["level"][i])] if free else order[i - space.free_cells]
            op = MERGE_OPS[strongest(logits["op"][i])]
            choices |= {f"cell{i}.a": a, f"cell{i}.b": b, f"cell{i}.level": level, f"cell{i}.op": op}
        return choices

    def priced(self) -> list[Mixed | Pieces]:
        """What the merging cells are computed with; the parameters of all networks are the same."""
        return [Pieces(pieces_of(self.space, self.laterals), partial(piece_counts, space=self.space))]

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The pair, the operation and the level of every cell."""
        cells = self.space.tokens(choices)
        free = self.space.free_cells
        path: dict[str, Paths] = {
            f"pair{i}": ((self.space.pairs(i).index((cell.a, cell.b)),),) for i, cell in enumerate(cells)
        }
        path["op"] = tuple((int(cell.op == "attention"),) for cell in cells)
        path["order"] = ((self.space.orders.index(tuple(cell.level for cell in cells[free:])),),)
        if free:
            path["level"] = tuple((self.space.levels.index(cell.level),) for cell in cells[:free])
        return path

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """All modules have the same names."""
        self.space.tokens(choices)
        return {}


def _computed(weights: OptionWeights, row: int) -> dict[int, Tensor]:
    """The options of a row that are computed, with their values."""
    values = weights.values[row]
    active = range(len(values)) if weights.active is None else weights.active[row]
    return {index: values[index] for index in active}
