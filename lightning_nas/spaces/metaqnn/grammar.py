"""The decision process of MetaQNN: states, the layers that may follow them, the state that a layer leads to.

Source: Baker et al. 2017, "Designing Neural Network Architectures using Reinforcement Learning", arXiv 1611.02167, section 4
and appendix B; where the text leaves something open, what the authors' program does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple

from lightning_nas.errors import ArgumentError

SOFTMAX, GAP = "softmax", "gap"
BUCKETS = (8, 4, 1)
"""Smallest size of the buckets of map sizes: 8 and more, 4 to 7, 1 to 3."""
FC_SIZE = 7
"""Largest map that a fully connected layer may read."""
KernelLimit = Literal["bucket", "size"]


class State(NamedTuple):
    """Where a prefix of layers has led to: its last layer, how many there are, what is left of the map.

    Args:
        layer: Kind of the last layer: start, conv, pool, fc or gap. Termination keeps it.
        depth: Number of layers, termination included.
        filters: Of a convolution. Of a fully connected layer how many of its kind came before it.
        kernel: Of a convolution or pooling, else 0.
        stride: Of a convolution or pooling, else 0.
        size: Height and width of the map; of a state for Q-learning the smallest size of its bucket.
        features: Of a fully connected layer, else 0.
        terminated: Whether the softmax layer has been chosen.
    """

    layer: str
    depth: int
    filters: int
    kernel: int
    stride: int
    size: int
    features: int
    terminated: bool

    def bucketed(self) -> State:
        """The state in which a Q-table finds it: maps of similar size are one."""
        return self._replace(size=bucket(self.size))


def bucket(size: int) -> int:
    """The smallest size of the bucket that a size lies in.

    Example:
        >>> [bucket(size) for size in (32, 8, 7, 4, 3, 1)]
        [8, 8, 4, 4, 1, 1]
    """
    return next(smallest for smallest in BUCKETS if size >= smallest)


def pooled(size: int, kernel: int, stride: int) -> int:
    """Size of a map after a pooling without padding.

    Example:
        >>> pooled(32, 5, 3), pooled(32, 3, 2), pooled(32, 2, 2)
        (10, 15, 16)
    """
    return (size - kernel) // stride + 1


@dataclass(frozen=True)
class Grammar:
    """Which layer may follow which.

    Layers are text: ``conv_<filters>_<kernel>``, ``pool_<kernel>_<stride>``, ``fc_<features>``, ``gap``, ``softmax``.

    Args:
        filters: Filters of a convolution.
        kernels: Sizes of its kernel.
        pools: Kernel and stride of a pooling.
        features: Sizes of a fully connected layer.
        max_fc: Fully connected layers, at most.
        depth: Layers before the softmax layer, at most.
        image_size: Height and width of the image.
        kernel_limit: What a kernel must be smaller than: the map, or the smallest size of the map's bucket.
    """

    filters: tuple[int, ...]
    kernels: tuple[int, ...]
    pools: tuple[tuple[int, int], ...]
    features: tuple[int, ...]
    max_fc: int
    depth: int
    image_size: int
    kernel_limit: KernelLimit

    @property
    def start(self) -> State:
        """The state before the first layer."""
        return State("start", 0, 0, 0, 0, self.image_size, 0, False)

    def actions(self, state: State) -> list[str]:
        """The layers that may come next, termination first; none after it.

        After a convolution: anything. After a pooling, and at the start: anything but a pooling. After a fully connected
        layer: one that is not larger, or the end. After the global pooling, and at full depth: the end. Fully connected
        layers read maps of at most 7x7. Kernels are smaller than the map.
        """
        if state.terminated:
            return []
        actions = [SOFTMAX]
        if state.depth >= self.depth or state.layer == "gap":
            return actions
        if state.layer == "fc":
            if state.filters + 1 < self.max_fc:
                actions += [f"fc_{n}" for n in self.features if n <= state.features]
            return actions
        limit = bucket(state.size) if self.kernel_limit == "bucket" else state.size
        actions += [f"conv_{n}_{kernel}" for n in self.filters for kernel in self.kernels if kernel < limit]
        actions.append(GAP)
        if state.layer == "conv":
            actions += [f"pool_{kernel}_{stride}" for kernel, stride in self.pools if kernel < limit]
        if state.size <= FC_SIZE and self.max_fc:
            actions += [f"fc_{n}" for n in self.features]
        return actions

    def after(self, state: State, token: str) -> State:
        """The state that a layer leads to; the layer must be one of :meth:`actions`."""
        depth = state.depth + 1
        kind, *numbers = token.split("_")
        if kind == SOFTMAX:
            return state._replace(depth=depth, terminated=True)
        if kind == GAP:
            return State("gap", depth, 0, 0, 0, 1, 0, False)
        if kind == "conv":
            return State("conv", depth, int(numbers[0]), int(numbers[1]), 1, state.size, 0, False)
        if kind == "pool":
            kernel, stride = map(int, numbers)
            return State("pool", depth, 0, kernel, stride, pooled(state.size, kernel, stride), 0, False)
        before = state.filters + 1 if state.layer == "fc" else 0
        return State("fc", depth, before, 0, 0, 1, int(numbers[0]), False)

    def states(self, tokens: Sequence[str]) -> Iterator[State]:
        """The states before the first layer and after every one, with exact sizes of maps.

        Raises:
            ValueError: At the first layer that may not stand where it does.
        """
        state = self.start
        yield state
        for place, token in enumerate(tokens):
            allowed = self.actions(state)
            if token not in allowed:
                raise ArgumentError(f"layer {place} = {token!r} is not allowed after {state}; choose of {allowed}")
            state = self.after(state, token)
            yield state

    @cached_property
    def tokens(self) -> tuple[tuple[str, ...], ...]:
        """For every place in a network all layers that can ever stand there."""
        found, states = [], {self.start}
        while states:
            seen: dict[str, None] = {}
            following = set()
            for state in sorted(states):
                for token in self.actions(state):
                    seen[token] = None
                    following.add(self.after(state, token))
            found.append(tuple(sorted(seen, key=self._rank)))
            states = {state for state in following if not state.terminated}
        return tuple(found)

    def count(self) -> int:
        """Number of networks, by dynamic programming over the states."""

        @cache
        def ends(state: State) -> int:
            return 1 if state.terminated else sum(ends(self.after(state, token)) for token in self.actions(state))

        return ends(self.start)

    def _rank(self, token: str) -> tuple[int, list[int]]:
        kind, *numbers = token.split("_")
        return (SOFTMAX, "conv", GAP, "pool", "fc").index(kind), [int(number) for number in numbers]
