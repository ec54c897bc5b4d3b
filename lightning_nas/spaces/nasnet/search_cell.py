"""The cell of the NASNet family's supernet: it mixes all sources and operations of every block.

Source: Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition", arXiv 1707.07012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.mixer import State, Term
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces.cells.decisions import SIDES
from lightning_nas.spaces.nasnet.cells import CellPlace, Inputs, Outcome
from lightning_nas.spaces.option_weights import OptionWeights


class NasNetSearchCell(Mixing, Recomputable):
    """The cell of the supernet: both operations of every block mix all earlier states and all candidates.

    Edges are numbered block by block, side by side, sources ascending: 40 for five blocks. An edge's candidate has the
    weight ``P(source) * P(operation | source)``; a state's share of the output is the probability that no block reads it,
    so that hard choices give exactly the found cell: a state that is read leaves zeros in the concatenation.

    Args:
        place: Where it stands.
        names: Candidate operations.
        blocks: Number of blocks.
        kept: The states that it concatenates whatever is read; None: those that no block reads.
        closed: See :class:`NasNetCell`.
        affine: Whether BatchNorm is learnable.
    """

    def __init__(
        self,
        place: CellPlace,
        names: Sequence[str],
        blocks: int,
        kept: Sequence[int] | None,
        *,
        closed: bool,
        affine: bool,
    ) -> None:
        super().__init__()
        self.group = "reduce" if place.reduction else "normal"
        self.blocks, self.shared = blocks, kept is None
        self.inputs = Inputs(place, always=not closed, affine=affine)
        self.edges = nn.ModuleList(
            MixedOp(names, place.channels, place.stride(source), pool_norm=False, affine=affine)
            for block in range(blocks)
            for _ in SIDES
            for source in range(block + 2)
        )
        self.outcome = Outcome(place, range(blocks + 2) if kept is None else kept, closed=closed, affine=affine)

    def forward(self, older: Tensor, newer: Tensor, weights: Mapping[str, OptionWeights]) -> Tensor:
        """The outputs of the two cells before -> the cell's own."""
        sources = [weights[inputs_group(self.group, block + 2)] for block in range(self.blocks)]
        result: Tensor = self.maybe_recomputed(self._compute, older, newer, weights[self.group], sources)
        return result

    def _compute(self, older: Tensor, newer: Tensor, ops: OptionWeights, sources: Sequence[OptionWeights]) -> Tensor:
        mixer, inputs = self.mixer(), self.inputs
        entered = inputs(mixer.entering(inputs.older, older), mixer.entering(inputs.newer, newer))
        states = [mixer.state(x) for x in entered]
        first = 0
        for mine in sources:
            stop = first + len(SIDES) * len(states)
            joint = (mine.values.reshape(-1, 1) * ops.values[first:stop]).unbind()  # P(source) * P(operation | source)
            terms = [
                Term(
                    self.edges[edge],
                    states[source],
                    joint[edge - first],
                    None if ops.active is None else ops.active[edge],
                )
                for edge, source in _read_edges(first, mine)
            ]
            total = mixer.node(terms)
            states.append(mixer.state(self._empty(states) if total is None else total))
            first = stop
        mixer.close()
        out: Tensor = self.outcome([state.x for state in states], unread_shares(sources) if self.shared else None)
        return out

    def _empty(self, states: Sequence[State]) -> Tensor:
        """A block that nothing enters."""
        step = self.edges[0].stride
        return torch.zeros_like(states[2].x if len(states) > 2 else states[1].x[:, :, ::step, ::step])


def edge_number(block: int, side: int, source: int) -> int:
    """Number of an edge of a cell: block by block, side by side, sources ascending."""
    return len(SIDES) * sum(range(2, block)) + side * block + source


def inputs_group(cell: str, block: int) -> str:
    """Name of the logits of the sources of a block, ``(2, block)``; blocks are numbered as states, from 2 on."""
    return f"{cell}_inputs{block}"


def unread_shares(sources: Sequence[OptionWeights]) -> list[Tensor]:
    """For every state the probability that no block reads it.

    Args:
        sources: Per block the weights of the sources of both sides, ``(2, states)``.
    """
    shares = [sources[0].values.new_ones(()) for _ in range(len(sources) + 2)]
    for mine in sources:
        for side in SIDES:
            for source in range(mine.values.shape[1]):
                shares[source] = shares[source] * (1 - mine.values[side, source])
    return shares


def _read_edges(first: int, mine: OptionWeights) -> list[tuple[int, int]]:
    """The edges (number, source) of a block that are computed; ``first`` is the number of its first edge."""
    count = mine.values.shape[1]
    read = [range(count) for _ in SIDES] if mine.active is None else mine.active
    return [(first + side * count + source, source) for side in SIDES for source in read[side]]
