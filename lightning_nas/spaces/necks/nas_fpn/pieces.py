"""What the networks of the NAS-FPN space are put together of, and how often the choices want each.

A merging cell resamples two maps to its level, joins them, and convolves the result. What that costs follows from the levels of
the three maps and from the operation. With ``D_o(c, l)`` the probability that candidate ``c`` has level ``l`` under an order
``o`` of levels, and ``P_i(a, b)`` that of a pair, the levels of the two maps that cell ``i`` reads have the probability::

    M_o(l, m) = sum over a, b of D_o(a, l) * P_i(a, b) * D_o(b, m)

which is exact if groups of choices are drawn independently: only the last cells' levels depend on each other, by their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import permutations

import torch
from torch import Tensor, nn

from lightning_nas.spaces.necks.laterals import resample
from lightning_nas.spaces.necks.nas_fpn.network import gate, merge_conv
from lightning_nas.spaces.necks.nas_fpn.space import NasFpn
from lightning_nas.spaces.pieces import Piece


class Resampling(nn.Module):
    """Brings a map to the size of another one."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """``(B, C, h, w), (B, C, H, W) -> (B, C, H, W)``."""
        return resample(x, like)


class Gate(nn.Module):
    """The attention of a map."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, 1, 1)``."""
        return gate(x)


class Sum(nn.Module):
    """Joins two maps of a size."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """``(B, C, H, W)``, twice ``-> (B, C, H, W)``."""
        return first + second


class GatedSum(nn.Module):
    """Joins two maps of a size, the second times one number per channel."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """``(B, C, H, W)``, twice ``-> (B, C, H, W)``."""
        return first + second[..., :1, :1] * second


def pieces_of(space: NasFpn, laterals: nn.Module) -> tuple[Piece, ...]:
    """Per level the convolution, the sum, the sum with attention and the attention; per two levels the resampling.

    Args:
        space: The space.
        laterals: The module that gives one map per level.
    """
    levels = range(len(space.levels))
    return (
        *(Piece(partial(merge_conv, space.channels), laterals, (level,)) for level in levels),
        *(Piece(Sum, laterals, (level, level)) for level in levels),
        *(Piece(GatedSum, laterals, (level, level)) for level in levels),
        *(Piece(Gate, laterals, (level,)) for level in levels),
        *(Piece(Resampling, laterals, pair) for pair in permutations(levels, 2)),
    )


def piece_counts(mean: Mapping[str, Tensor], space: NasFpn) -> Tensor:
    """How often a network holds each of :func:`pieces_of`, on average.

    Args:
        mean: Group of logits -> probabilities of the options.
        space: The space.
    """
    count, free = len(space.levels), space.free_cells
    order = mean["order"][0]
    given = torch.tensor(space.orders, device=order.device) - space.min_level
    known = [torch.eye(count).to(order).expand(len(order), -1, -1)]
    known += [mean["level"].to(order).expand(len(order), -1, -1)] if free else []
    levels = torch.cat([*known, nn.functional.one_hot(given, count).to(order)], dim=1)  # (orders, candidates, levels)
    unread = order.new_ones(space.candidates(space.cells))
    convs, sums, gated, gates = (order.new_zeros(count) for _ in range(4))
    moved = order.new_zeros(count, count)
    larger = torch.maximum(*torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij"))
    contexts = nn.functional.one_hot(larger, count).to(order)  # the coarser of two levels
    for cell in range(space.cells):
        pairs = _pairs(mean[f"pair{cell}"][0], space, cell)
        reads = pairs.sum(dim=0) + pairs.sum(dim=1)
        before = len(reads)
        earlier, own = levels[:, :before], levels[:, count + cell]
        read = torch.einsum("oal,ab,obm->olm", earlier, pairs, earlier)
        at = order @ own  # probability of the cell's level
        convs = convs + at
        by_sum, by_attention = mean["op"][cell]
        sums, gated = sums + by_sum * at, gated + by_attention * at
        gates = gates + by_attention * torch.einsum("o,olm,lmk->k", order, read, contexts)
        moved = moved + torch.einsum("o,ol,on->ln", order, read.sum(dim=1) + read.sum(dim=2), own)
        unread = torch.cat([unread[:before] * (1 - reads), unread[before:]])
        if cell >= free:  # takes in the maps of its level that no cell has read
            sums = sums + torch.einsum("o,ocn,c,on->n", order, earlier, unread[:before], own)
    apart = [moved[pair] for pair in permutations(range(count), 2)]
    joined = torch.cat([convs, sums, gated, gates])
    return space.repeats * (torch.cat([joined, torch.stack(apart)]) if apart else joined)


def _pairs(probabilities: Tensor, space: NasFpn, cell: int) -> Tensor:
    """``P(a, b)`` as a matrix over all candidates, ``(candidates, candidates)``."""
    first, second = torch.tensor(space.pairs(cell), device=probabilities.device).unbind(dim=1)
    size = space.candidates(cell)
    return probabilities.new_zeros(size, size).index_put((first, second), probabilities)
