"""How the mixed operations of a cell are computed: one protocol, so that a cell is written once for all ways.

A cell asks its mixer for states and for the sum of the edges that enter a node::

    mixer = self.mixer()
    states = [mixer.state(x)]
    for ...:
        total = mixer.node([Term(edge, state, values, active) for ...])
        states.append(mixer.state(total))
    mixer.close()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

Form = Literal["fused", "textbook"]
"""How mixed operations are computed."""


class State:
    """A state of a cell.

    Args:
        x: The map, ``(B, C, H, W)``.
    """

    def __init__(self, x: Tensor) -> None:
        self.x = x


class Term(NamedTuple):
    """One edge that enters a node.

    Args:
        edge: The mixed operation; a :class:`~lightning_nas.ops.mixed.MixedOp`, or what is called as one.
        state: What it reads; made by the mixer.
        values: Weights of its options, ``(options,)``.
        active: Options to compute; all if None.
        share: What the edge as a whole is multiplied with; nothing if None.
    """

    edge: nn.Module
    state: State
    values: Tensor
    active: Sequence[int] | None
    share: Tensor | None = None


class Mixer(Protocol):
    """Computes the nodes of one cell in one forward pass."""

    def entering(self, module: nn.Module, x: Tensor) -> Tensor:
        """A map in the memory layout in which a module that leads into the cell should read it."""

    def state(self, x: Tensor) -> State:
        """A map that edges will read."""

    def node(self, terms: Sequence[Term], start: Tensor | None = None) -> Tensor | None:
        """The sum over the edges that enter a node, added to ``start``; None if nothing does."""

    def close(self) -> None:
        """Ends the pass; called when all nodes of the cell are there."""


class TextbookMixer:
    """Every candidate by itself, as the formulas are written; can be differentiated twice."""

    def entering(self, module: nn.Module, x: Tensor) -> Tensor:
        """The map as it is."""
        return x

    def state(self, x: Tensor) -> State:
        """The map as it is."""
        return State(x)

    def node(self, terms: Sequence[Term], start: Tensor | None = None) -> Tensor | None:
        """The sum of the mixed operations, edge by edge."""
        total = start
        for edge, state, values, active, share in terms:
            term = edge(state.x, values, active)
            if term is not None:
                term = term if share is None else share * term
                total = term if total is None else total + term
        return total

    def close(self) -> None:
        """Nothing is left to do."""
