"""Options that do not compete: every one has a weight of its own between 0 and 1."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.samplers.base import Sampler


class Sigmoid(Sampler):
    """All options run, weighted by the sigmoid of their logits, which start from 0.

    Source: Chu et al. 2020, "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", arXiv
    1911.12126, equation 4.

    Example:
        >>> Sigmoid().sample(torch.zeros(1, 2), torch.Generator()).values
        tensor([[0.5000, 0.5000]])
    """

    compete = False

    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """The sigmoid of every logit."""
        return OptionWeights(logits.sigmoid())

    def mean(self, logits: Tensor) -> Tensor:
        """The same."""
        return logits.sigmoid()

    def initial(self, logits: Tensor) -> Tensor:
        """Zeros."""
        return torch.zeros_like(logits)
