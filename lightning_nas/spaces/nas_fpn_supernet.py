"""The differentiable supernet of the NAS-FPN space.

A cell's choices are relaxed as probabilities: ``P(a, b)`` over pairs of candidates, ``P(op)``, and ``P(level)``. As the
level of a map is uncertain, a candidate consists of variants, one per level it may have, each with its probability;
the context in an attention is the coarser one of two variants. Everything is linear in the probabilities of a cell
and its sources, so that hard choices give exactly the fixed network's function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import FeatureInfo, Outlets
from lightning_nas.spaces.nas_fpn_blocks import StackedNeck, gate, merge_conv
from lightning_nas.spaces.pyramid import LateralInputs, pyramid_info, resample
from lightning_nas.spaces.supernet import OptionWeights, Paths, Supernet

if TYPE_CHECKING:
    from lightning_nas.spaces.nas_fpn import NasFpn


@dataclass(frozen=True)
class CellWeights:
    """The probabilities of one cell; what is not listed is not computed.

    Args:
        pairs: Pairs (first candidate, second candidate) ...
        pair_values: ... and their probabilities, ``(pairs,)``.
        levels: Index of a level -> probability.
        sum_op: Probability of the sum, None if it is not computed.
        attention_op: The same for the attention.
    """

    pairs: Sequence[tuple[int, int]]
    pair_values: Tensor
    levels: Mapping[int, Tensor]
    sum_op: Tensor | None
    attention_op: Tensor | None

    def joint(self, count: int) -> Tensor:
        """``P(a, b)`` as a matrix over all candidates, ``(count, count)``."""
        first, second = zip(*self.pairs, strict=True)
        where = (torch.tensor(first), torch.tensor(second))
        return self.pair_values.new_zeros(count, count).index_put(where, self.pair_values)


class Variant:
    """A candidate at one of the levels that it may have.

    Args:
        owner: Index of the candidate.
        level: Index of the level.
        x: The map.
        probability: Of this level.
    """

    def __init__(self, owner: int, level: int, x: Tensor, probability: Tensor) -> None:
        self.owner, self.level, self.x, self.probability = owner, level, x, probability
        self._finer: dict[int, Tensor] = {}

    def pooled(self, level: int, like: Tensor) -> Tensor:
        """The map at a coarser level, made once."""
        if level not in self._finer:
            self._finer[level] = resample(self.x, like)
        return self._finer[level]

    @cached_property
    def gate(self) -> Tensor:
        """Attention of this map as the context, ``(B, C)``."""
        return gate(self.x)[:, :, 0, 0]


class MixedStack(nn.Module):
    """All architectures of the merging cells at once. A cell's convolution serves all levels.

    Args:
        space: The space.
    """

    def __init__(self, space: NasFpn) -> None:
        super().__init__()
        self.free_cells = space.free_cells
        self.cells = nn.ModuleList(merge_conv(space.channels, affine=False) for _ in range(space.cells))

    def forward(self, maps: Sequence[Tensor], weights: Sequence[CellWeights]) -> list[Tensor]:
        """One map per level -> one map per level."""
        one = weights[0].pair_values.new_ones(())
        variants = [Variant(level, level, x, one) for level, x in enumerate(maps)]
        unread = [one for _ in maps]  # probability that no cell has read a candidate
        results: list[Tensor | None] = [None for _ in maps]
        for index, (cell, conv) in enumerate(zip(weights, self.cells, strict=True)):
            count, gives_result = len(unread), index >= self.free_cells
            joint = cell.joint(count)
            unread = list(torch.stack(unread) * (1 - joint.sum(dim=0) - joint.sum(dim=1)))
            scaled = _coefficients(variants, joint, cell)
            same_or_finer = _sums_by_level(scaled)
            made = []
            for level, probability in cell.levels.items():
                merged = _merge(scaled, same_or_finer, level, maps[level])
                if gives_result:
                    for variant in variants:
                        if variant.level == level:
                            merged = merged + unread[variant.owner] * variant.probability * variant.x
                x = conv(merged)
                made.append(Variant(count, level, x, probability))
                if gives_result:
                    before = results[level]
                    results[level] = probability * x if before is None else before + probability * x
            variants += made
            unread.append(one)
        return [torch.zeros_like(like) if x is None else x for x, like in zip(results, maps, strict=True)]


def _coefficients(variants: Sequence[Variant], joint: Tensor, cell: CellWeights) -> list[tuple[Variant, Tensor]]:
    """What every variant that a cell may read is multiplied with in the merge, ``(B, C, 1, 1)`` or a number.

    For a pair with context h and other map l: ``sum = h + l``, ``attention = h + gate(h) * l``.
    """
    readable = {source for pair in cell.pairs for source in pair}
    variants = [variant for variant in variants if variant.owner in readable]
    owners = torch.tensor([variant.owner for variant in variants])
    levels = torch.tensor([variant.level for variant in variants])
    probability = torch.stack([variant.probability for variant in variants])
    both = joint[owners][:, owners] * probability[:, None] * probability[None, :]
    first_is_context = (levels[:, None] >= levels[None, :]).to(both)
    # [context, other], with pairs in which the second candidate is the coarser one turned around
    paired = both * first_is_context + (both * (1 - first_is_context)).T
    context, other = paired.sum(dim=1), paired.sum(dim=0)
    ops = [p for p in (cell.sum_op, cell.attention_op) if p is not None]
    plain = context * torch.stack(ops).sum()
    if cell.sum_op is not None:
        plain = plain + other * cell.sum_op
    if cell.attention_op is None:
        return list(zip(variants, plain, strict=True))
    gates = torch.stack([variant.gate for variant in variants])
    gated = torch.einsum("co,cbd->obd", paired.to(gates), gates) * cell.attention_op
    return list(zip(variants, (plain[:, None, None] + gated)[..., None, None], strict=True))


def _sums_by_level(scaled: Sequence[tuple[Variant, Tensor]]) -> dict[int, Tensor]:
    """The scaled maps added up per level."""
    sums: dict[int, Tensor] = {}
    for variant, scale in scaled:
        term = scale * variant.x
        sums[variant.level] = sums[variant.level] + term if variant.level in sums else term
    return sums


def _merge(scaled: Sequence[tuple[Variant, Tensor]], sums: Mapping[int, Tensor], level: int, like: Tensor) -> Tensor:
    """The scaled maps at a level. Enlarging is linear, so coarser maps are added up before; pooling is not."""
    merged = torch.zeros_like(like)
    for own, total in sums.items():
        if own >= level:
            merged = merged + resample(total, like)
    for variant, scale in scaled:
        if variant.level < level:
            merged = merged + scale * variant.pooled(level, like)
    return merged


class NasFpnSupernet(StackedNeck, Supernet):
    """The supernet.

    Logits: ``pair{i}``, one row over the pairs of candidates of cell ``i``; ``op``, a row per cell; ``level``, a row per
    cell that is free in its level; ``order``, one row over the orders of levels of the others.
    """

    role = "neck"

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
