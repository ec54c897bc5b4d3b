"""A policy whose decisions do not see each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.policies.base import Memory, Policy


class IndependentPolicy(Policy):
    """A vector of logits per decision, zeros at the start: decisions do not see each other, but for what is allowed.

    Source: Dong, Yang 2020, NAS-Bench-201, arXiv 2001.00326, whose REINFORCE has 6 x 5 logits.

    Args:
        space: The search space.
        temperature: See :class:`Policy`.
        tanh_constant: See :class:`Policy`.
    """

    def __init__(
        self, space: SearchSpace, *, temperature: float | None = None, tanh_constant: float | None = None
    ) -> None:
        super().__init__(space, temperature=temperature, tanh_constant=tanh_constant)
        self.table = nn.ParameterList(nn.Parameter(torch.zeros(len(options))) for options in self.vocabulary)

    def begin(self, size: int) -> Memory:
        """Nothing to remember."""
        return (torch.zeros(size, 0),)

    def logits(self, position: int, memory: Memory) -> Tensor:
        """The same for all architectures."""
        return self.table[position].expand(len(memory[0]), -1)

    def remember(self, position: int, memory: Memory, taken: Tensor) -> Memory:
        """Nothing."""
        return memory
