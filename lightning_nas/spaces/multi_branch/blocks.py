"""Blocks of the multi-branch space, found and mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_nas.ops.layers.pointwise import PointwiseConv2d
from lightning_nas.spaces.multi_branch.branches import build_branch
from lightning_nas.spaces.multi_branch.space import GROUPED, MultiBranch


class Row(NamedTuple):
    """Weights of the options of one decision, and the indices of those to compute (None: all)."""

    values: Tensor
    active: tuple[int, ...] | None

    def wanted(self) -> Sequence[int]:
        """The indices of the options to compute."""
        return range(len(self.values)) if self.active is None else self.active


class Block(nn.Module):
    """``relu(norm(sum_i join_i(branch_i(x))) + shortcut(x))``.

    The sum of 1x1 convolutions of the branches is the 1x1 convolution of their concatenation (Xie et al. 2017, arXiv
    1611.05431, figure 3): this is the form in which every branch keeps its own part of the kernel.

    Args:
        branches: Modules that give ``channels`` channels each.
        in_channels: Channels of the input.
        channels: Channels of the branches.
        out_channels: Channels of the output.
        stride: Stride of the branches.
    """

    def __init__(
        self, branches: Sequence[nn.Module], in_channels: int, channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.joins = nn.ModuleList(nn.Conv2d(channels, out_channels, 1, bias=False) for _ in branches)
        self.norm = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                PointwiseConv2d(in_channels, out_channels, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``."""
        return self.merge(x, [join(branch(x)) for branch, join in zip(self.branches, self.joins, strict=True)])

    def merge(self, x: Tensor, terms: Sequence[Tensor]) -> Tensor:
        """The joined branches, their sum normalised, and the shortcut."""
        joined = torch.stack(list(terms)).sum(dim=0) if len(terms) > 1 else terms[0]
        return nn.functional.relu(self.norm(joined) + self.shortcut(x))


class MixedBranch(nn.Module):
    """All that a branch can be: ``sum_k kind_k * branch_k(x)``; if that has groups, ``branch_k = sum_c card_c * branch_kc``."""

    def __init__(self, space: MultiBranch, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.ops, self.cardinalities = space.ops, space.cardinalities
        self.candidates = nn.ModuleDict(
            {
                candidate(name, cardinality): build_branch(
                    name, in_channels, channels, stride, cardinality, affine=False
                )
                for name in space.ops
                for cardinality in (space.cardinalities if name in GROUPED else space.cardinalities[:1])
            }
        )

    def forward(self, x: Tensor, kind: Row, cardinality: Row | None) -> Tensor:
        """``(B, in_channels, H, W) -> (B, channels, ceil(H/stride), ceil(W/stride))``; at least one kind is active."""
        terms = []
        for index in kind.wanted():
            name = self.ops[index]
            if cardinality is None or name not in GROUPED:
                terms.append(kind.values[index] * self.candidates[candidate(name, self.cardinalities[0])](x))
                continue
            for own in cardinality.wanted():
                out = self.candidates[candidate(name, self.cardinalities[own])](x)
                terms.append(kind.values[index] * cardinality.values[own] * out)
        return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


class MixedBlock(Block):
    """A block of mixed branches. ``sum_n w_n * sum_{i<n} term_i``: branch i weighs what all larger numbers weigh."""

    def __init__(self, space: MultiBranch, in_channels: int, channels: int, out_channels: int, stride: int) -> None:
        branches = [MixedBranch(space, in_channels, channels, stride) for _ in range(max(space.branches))]
        super().__init__(branches, in_channels, channels, out_channels, stride)
        self.numbers = space.branches

    def forward(  # type: ignore[override]
        self, x: Tensor, kinds: Sequence[Row], number: Row | None, cardinality: Row | None
    ) -> Tensor:
        """As a block, with a row of weights per branch, and one each for their number and cardinality, if searched."""
        wanted = {len(self.branches): None} if number is None else {self.numbers[i]: i for i in number.wanted()}
        terms = []
        for index in range(max(wanted)):
            term = self.joins[index](self.branches[index](x, kinds[index], cardinality))
            if number is not None:
                larger = [i for n, i in wanted.items() if n > index and i is not None]
                term = number.values[larger].sum() * term
            terms.append(term)
        return self.merge(x, terms)


def candidate(name: str, cardinality: int) -> str:
    """Name of a candidate in the supernet."""
    return f"{name}_g{cardinality}" if name in GROUPED else name
