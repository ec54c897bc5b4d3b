"""Running statistics of many BatchNorms, updated together."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


class RunningStatistics:
    """Collects batch statistics and moves the running ones as ``BatchNorm2d`` does, in a few calls for all.

    Only for BatchNorms with a fixed momentum, see :func:`is_plain_norm`.
    """

    def __init__(self) -> None:
        self._norms: dict[float, list[nn.BatchNorm2d]] = defaultdict(list)
        self._means: dict[float, list[Tensor]] = defaultdict(list)
        self._variances: dict[float, list[Tensor]] = defaultdict(list)

    def add(self, norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
        """Notes mean and unbiased variance of one batch, ``(C,)`` each."""
        momentum = norm.momentum
        assert momentum is not None
        self._norms[momentum].append(norm)
        self._means[momentum].append(mean)
        self._variances[momentum].append(variance)

    @torch.no_grad()
    def apply(self) -> None:
        """Moves the running statistics of all that were noted, and forgets them."""
        for momentum, norms in self._norms.items():
            for name, batch in (("running_mean", self._means), ("running_var", self._variances)):
                running: list[Tensor] = [getattr(norm, name) for norm in norms]
                found = [item.to(buffer.dtype) for item, buffer in zip(batch[momentum], running, strict=True)]
                torch._foreach_lerp_(running, found, momentum)
            torch._foreach_add_([norm.get_buffer("num_batches_tracked") for norm in norms], 1)
        self._norms.clear()
        self._means.clear()
        self._variances.clear()


def is_plain_norm(norm: nn.Module) -> bool:
    """Whether a module is a BatchNorm in training without scale and shift whose statistics can be collected."""
    return (
        type(norm) is nn.BatchNorm2d
        and norm.training
        and norm.weight is None
        and norm.bias is None
        and norm.track_running_stats
        and norm.momentum is not None
    )
