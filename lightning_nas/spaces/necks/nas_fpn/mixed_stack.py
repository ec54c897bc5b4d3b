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

import torch
from torch import Tensor, nn

from lightning_nas.spaces.necks.laterals import resample
from lightning_nas.spaces.necks.nas_fpn.network import gate, merge_conv
from lightning_nas.spaces.necks.nas_fpn.space import NasFpn


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
