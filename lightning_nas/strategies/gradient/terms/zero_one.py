"""The zero-one loss: options should be taken or left."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.part import check_between
from lightning_nas.strategies.gradient.terms.base import Term


class ZeroOne(Term):
    """Minus the mean over all options of ``(w - 1/2)^2`` for their weights ``w``: 0 where all are undecided.

    Source: Chu et al. 2020, "Fair DARTS", arXiv 1911.12126, equation 5, for the weights of the sigmoid.

    Args:
        weight: Of the term.

    Example:
        >>> float(ZeroOne(weight=10.0).value({}, {"edge": torch.tensor([[0.0, 1.0]])}))
        -0.25
    """

    def __init__(self, *, weight: float = 0.0) -> None:
        check_between("terms.zero_one", weight, 0)
        self.weight = self.now = weight

    def value(self, logits: Mapping[str, Tensor], mean: Mapping[str, Tensor]) -> Tensor:
        """Of all groups together."""
        return -torch.cat([(group - 0.5).square().flatten() for group in mean.values()]).mean()
