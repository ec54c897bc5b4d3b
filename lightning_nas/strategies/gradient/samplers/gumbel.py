"""Draws of the concrete distribution, soft (SNAS) and hard (GDAS)."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.functional import gumbel_hard, gumbel_soft
from lightning_nas.strategies.gradient.samplers.base import Annealed


class GumbelSoft(Annealed):
    """Soft samples: all options run, weighted by a draw of the concrete distribution.

    Source: Xie et al. 2019, "SNAS", arXiv 1812.09926, equation 4.

    Args:
        tau_start: First temperature.
        tau_end: Last temperature; falls linearly over the epochs.

    Example:
        >>> GumbelSoft(tau_start=2.0).tau
        2.0
    """

    def __init__(self, *, tau_start: float = 1.0, tau_end: float = 0.03) -> None:
        super().__init__(tau_start=tau_start, tau_end=tau_end)

    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """One soft draw per edge."""
        return gumbel_soft(logits, self.tau, generator)


class GumbelHard(Annealed):
    """Hard samples: one option per edge runs, with the gradient of the soft draw.

    Source: Dong, Yang 2019, "GDAS", arXiv 1910.04465, equations 3 to 5.

    Args:
        tau_start: First temperature.
        tau_end: Last temperature; falls linearly over the epochs.

    Example:
        >>> GumbelHard().sample(torch.zeros(2, 3), torch.Generator().manual_seed(0)).active
        ((2,), (1,))
    """

    hard = True

    def __init__(self, *, tau_start: float = 10.0, tau_end: float = 0.1) -> None:
        super().__init__(tau_start=tau_start, tau_end=tau_end)

    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """One hard draw per edge."""
        return gumbel_hard(logits, self.tau, generator)
