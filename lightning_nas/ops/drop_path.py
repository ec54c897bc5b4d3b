"""Drop-path: stochastic depth on the paths of a cell (Larsson et al. 2017, arXiv 1605.07648)."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """Zeroes a path for whole samples with probability ``rate`` in training, and divides the others by ``1 - rate``.

    A schedule changes :attr:`rate` from outside (see ``search.callbacks.DropPathSchedule``).
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...) -> (B, ...)``."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"rate={self.rate}"
