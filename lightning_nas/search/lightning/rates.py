"""Another learning rate for a module whose own optimizers and schedules are not to be touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

OF_A_GROUP = ("lr", "initial_lr", "max_lr", "min_lr")
"""Rates in a group of parameters; the last two are those of cyclic schedules."""


def scale_rates(module: Any, factor: float) -> None:
    """From here on, all learning rates that ``configure_optimizers`` of a module gives are so many times as high.

    Schedules keep their shape, also nested ones; what they end at by a rate of its own (``eta_min``) stays.

    Args:
        module: A ``LightningModule``; its method is replaced on this object alone.
        factor: Of the rates.

    Example:
        >>> import pytorch_lightning as pl
        >>> class Project(pl.LightningModule):
        ...     def configure_optimizers(self):
        ...         return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        >>> module = Project()
        >>> scale_rates(module, 0.1)
        >>> module.configure_optimizers().param_groups[0]["lr"]
        0.05
    """
    configure = module.configure_optimizers

    def configure_optimizers() -> Any:
        configured = configure()
        scaled: set[int] = set()
        for part in _parts(configured):
            if id(part) in scaled:
                continue
            scaled.add(id(part))
            if isinstance(part, torch.optim.Optimizer):
                for group in part.param_groups:
                    group.update({name: group[name] * factor for name in OF_A_GROUP if name in group})
            else:
                part.base_lrs = [rate * factor for rate in part.base_lrs]
                part._last_lr = [rate * factor for rate in getattr(part, "_last_lr", [])]  # what get_last_lr() says
        return configured

    module.configure_optimizers = configure_optimizers


def _parts(configured: Any) -> Iterator[Any]:
    """Optimizers and schedules in any of the forms that Lightning takes."""
    if isinstance(configured, torch.optim.Optimizer):
        yield configured
    elif isinstance(configured, LRScheduler):
        if hasattr(configured, "base_lrs"):
            yield configured
        yield from _parts(list(getattr(configured, "_schedulers", ())))
    elif isinstance(configured, dict):
        yield from _parts([configured.get("optimizer"), configured.get("lr_scheduler"), configured.get("scheduler")])
    elif isinstance(configured, list | tuple):
        for part in configured:
            yield from _parts(part)
