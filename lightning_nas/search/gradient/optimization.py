"""The optimizer of the weights, in whatever form a wrapped module gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lightning_nas.errors import ArgumentError


def only_optimizer(configured: Any) -> torch.optim.Optimizer:
    """The optimizer in what ``configure_optimizers`` returned.

    Raises:
        ValueError: If there is not exactly one.
    """
    optimizers = _optimizers(configured)
    if len(optimizers) != 1:
        raise ArgumentError(
            f"the wrapped module's configure_optimizers must give one optimizer, got {len(optimizers)}: put the parameters "
            "into groups of one optimizer"
        )
    return optimizers[0]


def _optimizers(configured: Any) -> list[torch.optim.Optimizer]:
    if configured is None:
        return []
    if isinstance(configured, torch.optim.Optimizer):
        return [configured]
    if isinstance(configured, Mapping):
        return _optimizers(configured["optimizer"])
    if isinstance(configured, tuple) and len(configured) == 2 and all(isinstance(part, list) for part in configured):
        return _optimizers(configured[0])
    if isinstance(configured, list | tuple):
        return [optimizer for item in configured for optimizer in _optimizers(item)]
    raise ArgumentError(f"configure_optimizers must return an optimizer, got {configured!r}")
