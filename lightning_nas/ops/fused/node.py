"""The fast mixed operation: all edges that enter a node, computed together on the modules of the textbook form.

Equal to summing :class:`MixedOp` over the edges, outputs and gradients, in other steps:

- edges that leave one state share its ReLU, its poolings and their BatchNorm (:class:`SharedState`);
- depthwise convolutions run channels-last; dilated ones on the four phases of the map, where they are not dilated;
- the last pointwise convolution, BatchNorm, weight of the option and sum over options and edges are one linear map of the
  depthwise outputs (:mod:`lightning_nas.ops.fused.pointwise`), which alone are stored.

Candidates that this file does not know, and all of them in evaluation mode, are called as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.ops.candidates.parameter_free import Zero
from lightning_nas.ops.fused.depthwise import depthwise, from_phases
from lightning_nas.ops.fused.known import (
    globally_hooked,
    hooked,
    in_safe_layout,
    is_known_block,
    is_known_normalised_pool,
    is_known_reduction,
    is_known_separable,
    pool_key,
)
from lightning_nas.ops.fused.state import SharedState
from lightning_nas.ops.fused.statistics import RunningStatistics
from lightning_nas.ops.fused.sums import normalised_sum, separable_middles, weighted_sum
from lightning_nas.ops.mixed import MixedOp


class FusedNode:
    """Collects the terms of one node, then sums them.

    Args:
        values: Weights of the options of all edges that enter, ``(edges * options,)``.
        statistics: Where the statistics of BatchNorms go.
    """

    def __init__(self, values: Tensor, statistics: RunningStatistics) -> None:
        self._values, self._statistics = values, statistics
        self._whole: list[Tensor] = []  # already weighted
        self._direct: list[tuple[int, Tensor]] = []
        self._normalised: dict[Any, list[tuple[int, Tensor, Tensor, nn.BatchNorm2d]]] = defaultdict(list)
        self._separable: dict[float, list[tuple[int, Tensor, Any]]] = defaultdict(list)

    def add_edge(self, edge: nn.Module, state: SharedState, first: int, active: Sequence[int] | None) -> None:
        """Adds the candidates of one edge.

        Args:
            edge: The mixed operation.
            state: What it reads.
            first: Position of its first option in ``values``.
            active: Candidates to compute; all if None.
        """
        if type(edge) is not MixedOp or hooked(edge):
            stop = first + len(edge.candidates) if isinstance(edge, MixedOp) else None
            term = edge(in_safe_layout(edge, state.x), self._values[first:stop], active)
            if term is not None:
                self._whole.append(term)
            return
        for option in range(len(edge.candidates)) if active is None else active:
            self._add(edge.candidates[option], state, first + option)

    def _add(self, candidate: nn.Module, state: SharedState, position: int) -> None:
        if type(candidate) is Zero:
            return
        if globally_hooked() or not self._add_known(candidate, state, position):
            self._direct.append((position, candidate(in_safe_layout(candidate, state.x))))

    def _add_known(self, candidate: Any, state: SharedState, position: int) -> bool:
        """Adds a candidate by the fast way; False if there is none."""
        if type(candidate) is nn.Identity and not hooked(candidate):
            self._direct.append((position, state.x))
        elif is_known_normalised_pool(candidate):
            pool, norm = candidate
            key = pool_key(pool)
            if not _several_pixels(state.pooled(key, pool)):
                return False
            out, mean, variance = state.normalised(key, pool, norm.eps)
            self._statistics.add(norm, mean, variance)
            self._direct.append((position, out))
        elif (key := pool_key(candidate)) is not None:
            self._direct.append((position, state.pooled(key, candidate)))
        elif is_known_separable(candidate):
            first = candidate[0]
            out, phased = _first_depthwise(first, state)
            if phased or not _several_pixels(out):
                return False
            self._separable[first.norm.eps].append((position, out, candidate))
        elif is_known_block(candidate):
            out, phased = _first_depthwise(candidate, state)
            if not _several_pixels(out):
                return False
            self._add_normalised(phased, position, out, candidate.pointwise.weight, candidate.norm)
        elif is_known_reduction(candidate):
            out = state.two_halves
            if not _several_pixels(out):
                return False
            weight = torch.block_diag(candidate.conv1.weight.flatten(1), candidate.conv2.weight.flatten(1))
            self._add_normalised(False, position, out, weight, candidate.norm)
        else:
            return False
        return True

    def _add_normalised(self, phased: bool, position: int, x: Tensor, weight: Tensor, norm: Any) -> None:
        self._normalised[phased, x.shape[1], x.dtype, norm.eps].append((position, x, weight, norm))

    def total(self) -> Tensor | None:
        """The sum of all terms, or None if nothing enters."""
        for eps, unfinished in self._separable.items():
            self._finish_separable(eps, unfinished)
        self._separable.clear()
        terms = list(self._whole)
        if self._direct:
            positions, maps = zip(*self._direct, strict=True)
            terms.append(weighted_sum(self._values, positions, maps))
        for (phased, _, _, eps), items in self._normalised.items():
            positions, inputs, weights, norms = zip(*items, strict=True)
            out, mean, variance = normalised_sum(self._values, positions, inputs, weights, eps)
            self._note(norms, mean, variance, inputs[0])
            terms.append(from_phases(out) if phased else out)
        total: Tensor | None = None
        for term in terms:
            total = term if total is None else total + term
        return total

    def _finish_separable(self, eps: float, items: list[tuple[int, Tensor, Any]]) -> None:
        """From the first depthwise convolution of every ``sep_conv`` to the second one."""
        positions, inputs, modules = zip(*items, strict=True)
        outs, mean, variance = separable_middles(
            inputs,
            [module[0].pointwise.weight for module in modules],
            [module[1].depthwise.weight.to(inputs[0].dtype) for module in modules],
            eps,
        )
        self._note([module[0].norm for module in modules], mean, variance, inputs[0])
        for position, out, module in zip(positions, outs, modules, strict=True):
            self._add_normalised(False, position, out, module[1].pointwise.weight, module[1].norm)

    def _note(self, norms: Sequence[nn.BatchNorm2d], mean: Tensor, variance: Tensor, x: Tensor) -> None:
        pixels = x.numel() // x.shape[1]
        unbiased = variance * (pixels / (pixels - 1))
        for norm, one_mean, one_variance in zip(norms, mean.unbind(), unbiased.unbind(), strict=True):
            self._statistics.add(norm, one_mean, one_variance)


def _several_pixels(x: Tensor) -> bool:
    """Whether BatchNorm can take statistics; if not, the module itself is called and says so."""
    return x.numel() > x.shape[1]


def _first_depthwise(block: Any, state: SharedState) -> tuple[Tensor, bool]:
    """The depthwise convolution of a block on a state, and whether its output is in phases."""
    conv = block.depthwise
    stride, dilation = conv.stride[0], conv.dilation[0]
    weight = conv.weight.to(state.rectified.dtype)
    if stride == dilation == 2:
        return depthwise(state.every_second, weight), False
    if stride == 1 and dilation == 2 and state.has_phases:
        return depthwise(state.phases, weight), True
    return depthwise(state.rectified, weight, stride, dilation), False
