"""DARTS: softmax relaxation, first or second order.

Source: Liu, Simonyan, Yang 2019, arXiv 1806.09055, equations 2 and 5 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lightning_nas.spaces import OptionWeights, softmax_relaxation
from lightning_nas.strategies.gradient.base import GradientStrategy


class Darts(GradientStrategy):
    """All options run, weighted by the softmax of their logits.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> strategy = Darts()
        >>> weights = strategy.relax(supernet.logits)["cell"]
        >>> weights.values.shape
        torch.Size([6, 5])
    """

    def relax(self, logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
        """Softmax over the options of every edge."""
        return softmax_relaxation(logits)
