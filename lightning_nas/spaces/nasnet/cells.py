"""The found cells of the NASNet family, and the parts that they share with those of the supernet.

Source: Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition", arXiv 1707.07012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_nas.ops import DropPath, FactorizedReduce, ReLUConvBN, build_op
from lightning_nas.ops.fused.known import in_safe_layout
from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.spaces.cells.decisions import SIDES, NodeGenes


@dataclass(frozen=True)
class CellPlace:
    """Where a cell stands.

    Args:
        c_prev_prev: Channels of the output of the cell before the previous one.
        c_prev: Channels of the output of the previous cell.
        channels: Channels of every state of the cell.
        reduction: Whether operations on the cell's inputs have stride 2.
        reduction_prev: Whether the previous cell was a reduction.
    """

    c_prev_prev: int
    c_prev: int
    channels: int
    reduction: bool
    reduction_prev: bool

    def stride(self, source: int) -> int:
        """The stride of an operation on a state."""
        return 2 if self.reduction and source < 2 else 1


class Inputs(nn.Module):
    """Brings the two inputs of a cell to its channels, and the older one to the size of the newer one.

    Args:
        place: Where the cell stands.
        always: Whether maps that have the right size and channels are projected as well.
        affine: Whether BatchNorm is learnable.
    """

    def __init__(self, place: CellPlace, *, always: bool, affine: bool = True) -> None:
        super().__init__()
        self.older: nn.Module = nn.Identity()
        self.newer: nn.Module = nn.Identity()
        if place.reduction_prev:
            self.older = FactorizedReduce(place.c_prev_prev, place.channels, affine=affine)
        elif always or place.c_prev_prev != place.channels:
            self.older = ReLUConvBN(place.c_prev_prev, place.channels, affine=affine)
        if always or place.c_prev != place.channels:
            self.newer = ReLUConvBN(place.c_prev, place.channels, affine=affine)

    def forward(self, older: Tensor, newer: Tensor) -> tuple[Tensor, Tensor]:
        """Two maps of the cell's channels and equal size."""
        return self.older(older), self.newer(newer)


class Outcome(nn.Module):
    """What a cell makes of its states: it concatenates some of them, and projects them if it is closed.

    Args:
        place: Where the cell stands.
        kept: The states to concatenate; inputs of a reduction cell are halved by a factorized reduction.
        closed: Whether a 1x1 ReLU-conv-BN brings the concatenation back to the channels of one state (ENAS).
        affine: Whether BatchNorm is learnable.
    """

    def __init__(self, place: CellPlace, kept: Sequence[int], *, closed: bool, affine: bool = True) -> None:
        super().__init__()
        self.kept, channels = tuple(kept), place.channels
        halved = [state for state in kept if place.stride(state) == 2]
        self.halve = nn.ModuleDict(
            {str(state): FactorizedReduce(channels, channels, affine=affine) for state in halved}
        )
        self.close: nn.Module = ReLUConvBN(len(kept) * channels, channels, affine=affine) if closed else nn.Identity()

    def forward(self, states: Sequence[Tensor], shares: Sequence[Tensor] | None = None) -> Tensor:
        """Some of ``(B, C, H, W) -> (B, kept * C, H, W)``, or ``(B, C, H, W)`` if closed.

        Args:
            states: All states of the cell.
            shares: What every state is multiplied with.
        """
        parts = []
        for state in self.kept:
            x = states[state]
            if str(state) in self.halve:
                x = self.halve[str(state)](in_safe_layout(self.halve[str(state)], x))
            parts.append(x if shares is None else shares[state] * x)
        out: Tensor = self.close(torch.cat(parts, dim=1))
        return out


class NasNetCell(Recomputable):
    """A found cell: every block sums two operations on earlier states.

    Args:
        place: Where it stands.
        blocks: Per block the two genes.
        kept: The states that it concatenates.
        closed: See :class:`Outcome`; then inputs are projected only where they must be, too.
        share: Share of a schedule's drop-path rate: grows with depth (ScheduledDropPath).
    """

    def __init__(
        self, place: CellPlace, blocks: Sequence[NodeGenes], kept: Sequence[int], *, closed: bool, share: float
    ) -> None:
        super().__init__()
        self.inputs = Inputs(place, always=not closed)
        self.sources = [(first[1], second[1]) for first, second in blocks]
        self.ops = nn.ModuleList(
            build_op(name, place.channels, place.channels, stride=place.stride(source))
            for block in blocks
            for name, source in block
        )
        self.outcome = Outcome(place, kept, closed=closed)
        self.drop_path = DropPath(share=share)

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        """The outputs of the two cells before -> the cell's own."""
        result: Tensor = self.maybe_recomputed(self._compute, older, newer)
        return result

    def _compute(self, older: Tensor, newer: Tensor) -> Tensor:
        states = list(self.inputs(older, newer))
        for block, sources in enumerate(self.sources):
            first, second = (self._term(self.ops[2 * block + side], states[sources[side]]) for side in SIDES)
            states.append(first + second)
        out: Tensor = self.outcome(states)
        return out

    def _term(self, op: nn.Module, state: Tensor) -> Tensor:
        out: Tensor = op(state)
        return out if isinstance(op, nn.Identity) else self.drop_path(out)
