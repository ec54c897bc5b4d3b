"""Draws of a Dirichlet distribution per edge, whose gradient runs along the path of the draw."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Dirichlet as Distribution

from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.samplers.base import Sampler


class Dirichlet(Sampler):
    """``w ~ Dir(elu(a) + 1)`` per edge; architectures follow the mean of the distribution.

    Source: Chen et al. 2021, "DrNAS: Dirichlet Neural Architecture Search", arXiv 2006.10355, section 3.

    Options that are out of the search have no weight: those of the others, divided by their sum, are again a draw of the
    Dirichlet distribution of their own concentrations.

    Example:
        >>> weights = Dirichlet().sample(torch.zeros(2, 3), torch.Generator().manual_seed(0)).values
        >>> weights.sum(dim=1).allclose(torch.ones(2))
        True
    """

    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """One draw per edge."""
        there = torch.isfinite(logits)
        concentration = self.concentration(torch.where(there, logits, torch.zeros_like(logits)))
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):  # the distribution takes no generator
            torch.manual_seed(seed)
            draw: Tensor = Distribution(concentration.cpu().double()).rsample()
        values = draw.to(logits) * there
        return OptionWeights(values / values.sum(dim=-1, keepdim=True))

    def mean(self, logits: Tensor) -> Tensor:
        """``c / sum c``."""
        there = torch.isfinite(logits)
        concentration = self.concentration(torch.where(there, logits, torch.zeros_like(logits))) * there
        return concentration / concentration.sum(dim=-1, keepdim=True)

    @staticmethod
    def concentration(logits: Tensor) -> Tensor:
        """``elu(a) + 1``, kept above 0 where that would be rounded to it."""
        return (torch.nn.functional.elu(logits) + 1).clamp_min(1e-6)
