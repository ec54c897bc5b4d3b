"""DARTS: softmax relaxation, first or second order; and, with other parts, what has been made of it.

Source: Liu, Simonyan, Yang 2019, arXiv 1806.09055, equations 2 and 5 to 8.
"""

from __future__ import annotations

from lightning_nas.strategies.gradient.composed import Composed


class Darts(Composed):
    """All options run, weighted by the softmax of their logits; every part may be another one.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> strategy = Darts()
        >>> weights = strategy.relax(supernet.logits)["cell"]
        >>> weights.values.shape
        torch.Size([6, 5])
    """
