"""The softmax of DARTS."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.samplers.base import Sampler


class Softmax(Sampler):
    """All options run, weighted by the softmax of their logits; nothing is drawn.

    Source: Liu, Simonyan, Yang 2019, arXiv 1806.09055, equation 2.

    Example:
        >>> Softmax().sample(torch.zeros(1, 2), torch.Generator()).values
        tensor([[0.5000, 0.5000]])
    """

    second_order = True

    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """The softmax per edge."""
        return OptionWeights(logits.softmax(dim=-1))
