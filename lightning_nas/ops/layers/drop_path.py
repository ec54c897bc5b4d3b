"""Drop-path: stochastic depth on the paths of a cell (Larsson et al. 2017, arXiv 1605.07648)."""

from __future__ import annotations

import torch.fx
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zeroes a path for whole samples with probability ``rate`` in training, and divides the others by ``1 - rate``.

    A schedule changes :attr:`rate` from outside (see ``search.callbacks.DropPathSchedule``).

    Args:
        rate: Probability that a path is dropped.
        share: Part of a schedule's rate that counts here: below 1 where the rate grows with depth (ScheduledDropPath, Zoph
            et al. 2018, arXiv 1707.07012).
    """

    def __init__(self, rate: float = 0.0, share: float = 1.0) -> None:
        super().__init__()
        self.rate, self.share = rate, share

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...) -> (B, ...)``."""
        if not self.training or self.rate == 0.0:
            return x
        return _kept(x, 1.0 - self.rate)

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"rate={self.rate}" + (f", share={self.share:.3g}" if self.share != 1.0 else "")


@torch.fx.wrap  # one node of a traced graph, because it looks at the number of dimensions
def _kept(x: Tensor, keep: float) -> Tensor:
    """Samples kept with a probability, and divided by it; the others are zero."""
    mask = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(keep)
    return x * mask / keep
