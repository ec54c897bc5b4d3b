"""How the options of a group of logits are weighed, and which of them take part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

Paths = tuple[tuple[int, ...], ...]
"""For every edge of a group, the indices of its options that take part."""


class Placement(NamedTuple):
    """Where the candidates of an edge stand: channels, size of the map that they read, stride."""

    channels: int
    height: int
    width: int
    stride: int


class Mixed(NamedTuple):
    """A mixed operation of a supernet, and the logits that weigh its options.

    Args:
        module: It.
        group: Group of the logits.
        row: Their row.
        reach: Probabilities of all groups -> that of the operation being in the network at all; None for one that always is.
    """

    module: nn.Module
    group: str
    row: int
    reach: Callable[[Mapping[str, Tensor]], Tensor] | None = None

    def counts(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Probabilities of all groups -> those of the options being in a network, ``(options,)``."""
        options = probabilities[self.group][self.row]
        return options if self.reach is None else options * self.reach(probabilities)


class Row(NamedTuple):
    """How one edge mixes its options.

    Args:
        values: ``(options,)``.
        active: Indices of the options to compute; all if None.
        share: Weight of the edge as a whole, beside those of its options; 1 if None.
    """

    values: Tensor
    active: tuple[int, ...] | None
    share: Tensor | None = None


@dataclass(frozen=True)
class OptionWeights:
    """How one group of logits mixes the options: ``edge = sum_o values[edge, o] * option_o(x)``.

    Args:
        values: ``(edges, options)``, differentiable.
        active: For every edge the indices of the options to compute, none for an absent edge; None computes all of
            them. A computed option is still multiplied by its value, so that a straight-through estimator gets its
            gradient.
        shares: ``(edges,)``, what every edge as a whole is multiplied with, differentiable; None for 1.

    Example:
        >>> weights = OptionWeights(torch.tensor([[0.2, 0.8]]), active=((1,),))
        >>> weights.values.shape, weights.active
        (torch.Size([1, 2]), ((1,),))
    """

    values: Tensor
    active: Paths | None = None
    shares: Tensor | None = None

    def rows(self) -> list[Row]:
        """The weights of every edge by itself."""
        active = [None] * len(self.values) if self.active is None else self.active
        shares = [None] * len(self.values) if self.shares is None else self.shares.unbind()
        return [Row(*row) for row in zip(self.values.unbind(), active, shares, strict=True)]


Relaxation = Callable[[Mapping[str, Tensor]], Mapping[str, OptionWeights]]
"""Logits of every group, ``(edges, options)`` each -> the weights of their options. Called once per forward pass."""


def softmax_relaxation(logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
    """The continuous relaxation of DARTS (Liu et al. 2019, arXiv 1806.09055, equation 2)."""
    return {name: OptionWeights(group.softmax(dim=-1)) for name, group in logits.items()}


def one_path(logits: Tensor, active: Paths) -> OptionWeights:
    """Weights of 1 for the options of an architecture, and nothing else to compute."""
    values = torch.zeros_like(logits, requires_grad=False)
    for edge, options in enumerate(active):
        values[edge, list(options)] = 1.0
    return OptionWeights(values, active)


def strongest(row: Tensor) -> int:
    """Index of the largest of some logits; ties go to the lower index."""
    values = row.detach().double().cpu().tolist()
    return int(values.index(max(values)))
