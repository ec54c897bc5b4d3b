"""The fast way of computing a cell: what states and nodes share is computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops.beside import SkipBeside
from lightning_nas.ops.fused.known import hooked, in_safe_layout
from lightning_nas.ops.fused.node import FusedNode
from lightning_nas.ops.fused.state import SharedState
from lightning_nas.ops.fused.statistics import RunningStatistics
from lightning_nas.ops.fused.sums import weighted_sum
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.mixer import State, Term
from lightning_nas.ops.partial import PartialEdge, joined


class FusedMixer:
    """All edges of a node together, channels-last; differentiable once. See :mod:`lightning_nas.ops.fused.node`."""

    def __init__(self) -> None:
        self._statistics = RunningStatistics()

    def entering(self, module: nn.Module, x: Tensor) -> Tensor:
        """Channels-last, but for modules that are wrong or slow in it."""
        return in_safe_layout(module, x)

    def state(self, x: Tensor) -> State:
        """A state whose edges share what they can."""
        return SharedState(x)

    def node(self, terms: Sequence[Term], start: Tensor | None = None) -> Tensor | None:
        """The sum of all edges in as few steps as possible."""
        sums = [start, *self._beside(terms)]
        terms = [_without_skip(term) for term in terms]
        partial: dict[int, list[Term]] = defaultdict(list)
        whole = []
        for term in terms:
            edge = term.edge
            if (
                type(edge) is PartialEdge
                and type(edge.mixed) is MixedOp
                and not hooked(edge)
                and not hooked(edge.mixed)
            ):
                partial[edge.parts].append(term)
            elif term.share is not None and (type(edge) is not MixedOp or hooked(edge)):
                out = edge(in_safe_layout(edge, term.state.x), term.values, term.active)
                sums.append(None if out is None else term.share * out)
            else:
                whole.append(term)
        sums.append(self._summed(whole))
        sums += [self._partial(some, parts) for parts, some in partial.items()]
        total: Tensor | None = None
        for part in sums:
            total = part if total is None else total if part is None else total + part
        return total

    def _summed(self, terms: Sequence[Term]) -> Tensor | None:
        if not terms:
            return None
        shared = [term.values if term.share is None else term.share * term.values for term in terms]
        node = FusedNode(torch.cat(shared), self._statistics)
        first = 0
        for edge, state, values, active, _ in terms:
            assert isinstance(state, SharedState)  # ours
            node.add_edge(edge, state, first, active)
            first += len(values)
        return node.total()

    def _partial(self, terms: Sequence[Term], parts: int) -> Tensor | None:
        """Edges on partial channels: shuffling is linear, so that the sums are taken before it."""
        terms = [term for term in terms if term.active is None or len(term.active)]
        if not terms:
            return None
        inner, passed, shares = [], [], []
        for edge, state, values, active, share in terms:
            assert isinstance(state, SharedState)
            assert isinstance(edge, PartialEdge)
            taken, others = state.parted(parts)
            inner.append(Term(edge.mixed, taken, values, active, share))
            passed.append(others.pooled(("passed", edge.stride), edge.passed))
            shares.append(values.new_ones(()) if share is None else share)
        passing = weighted_sum(torch.stack(shares), range(len(terms)), passed)
        return joined(self._summed(inner), passing, parts)

    def _beside(self, terms: Sequence[Term]) -> list[Tensor]:
        """The auxiliary skips of edges that are there."""
        found = []
        for edge, state, _, active, share in terms:
            if _has_skip(edge) and (active is None or len(active)):
                assert isinstance(edge, SkipBeside)
                out = edge.beside(in_safe_layout(edge.skip, state.x))
                found.append(out if share is None else share * out)
        return found

    def close(self) -> None:
        """Moves the running statistics of all BatchNorms."""
        self._statistics.apply()


def _has_skip(edge: nn.Module) -> bool:
    return type(edge) is SkipBeside and not hooked(edge)


def _without_skip(term: Term) -> Term:
    return term._replace(edge=term.edge.get_submodule("edge")) if _has_skip(term.edge) else term
