"""Beta-decay: keeps the logits of an edge from growing apart."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.part import check_between, progress
from lightning_nas.strategies.gradient.terms.base import Term


class BetaDecay(Term):
    """The mean over all edges of ``log sum exp a``, with a weight that grows linearly from 0.

    Source: Ye et al. 2022, "beta-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", arXiv 2203.01665,
    equation 12.

    Args:
        weight: In the last epoch.

    Example:
        >>> term = BetaDecay(weight=50.0)
        >>> term.begin_epoch(1, 3)
        >>> term.now
        25.0
    """

    def __init__(self, *, weight: float = 0.0) -> None:
        check_between("terms.beta_decay", weight, 0)
        self.weight, self.now = weight, 0.0

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Raises the weight."""
        self.now = self.weight * progress(epoch, epochs)

    def value(self, logits: Mapping[str, Tensor], mean: Mapping[str, Tensor]) -> Tensor:
        """Of all groups together."""
        return torch.cat([group.logsumexp(dim=-1) for group in logits.values()]).mean()
