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

    An edge is ``y = h_k f_k(x)`` with the drawn option ``k`` alone, and the logits of one edge get::

        dL/da_j = <dL/dy, f_k(x)> * p_k * ([j = k] - p_j) / tau

    That is the paper's rule, and that of the authors' code for cells of the DARTS kind (``NASNetSearchCell`` of
    github.com/D-X-Y/AutoDL-Projects). Their code for NAS-Bench-201 (``NAS201SearchCell.forward_gdas``) adds the plain numbers
    ``h_o`` of the options that were not drawn, whose value is 0, but not their gradient: the first factor becomes
    ``<dL/dy, f_k(x) - 1>``, as if every other option were a map of ones. No option is; so the rule here is the paper's in
    every space. The results of GDAS in the paper on NAS-Bench-201 (arXiv 2001.00326) come from that code.

    Source: Dong, Yang 2019, "Searching for a Robust Neural Architecture in Four GPU Hours", arXiv 1910.04465, section 3,
    equations 3 to 5.

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
