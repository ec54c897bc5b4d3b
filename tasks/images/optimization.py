"""Optimizers and schedules that tasks of dense prediction share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, PolynomialLR

from lightning_nas.errors import ArgumentError

OptimizerName = Literal["sgd", "adamw"]


def make_optimizer(
    name: OptimizerName, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameters that are trained."""
    trained = [p for p in parameters if p.requires_grad]
    if name == "adamw":
        return torch.optim.AdamW(trained, lr, weight_decay=weight_decay)
    return torch.optim.SGD(trained, lr, momentum, weight_decay=weight_decay)


def make_schedules(
    optimizer: torch.optim.Optimizer,
    kind: Literal["cosine", "steps", "poly"],
    epochs: int | None,
    *,
    warmup_steps: int,
    lr_min: float = 0.0,
    milestones: Sequence[int] = (),
    power: float = 0.9,
) -> list[dict[str, Any]]:
    """A schedule that moves after every epoch, and a linear warm-up over the first batches.

    Args:
        optimizer: The optimizer.
        kind: ``"cosine"`` down to ``lr_min``; ``"steps"``: times 0.1 at each milestone; ``"poly"``:
            ``(1 - epoch / epochs) ** power``.
        epochs: Of the training.
        warmup_steps: Batches of the warm-up; 0 for none.
        lr_min: Of the cosine.
        milestones: Epochs of the steps.
        power: Of poly.
    """
    last = max(epochs or 1, 1)
    schedule: LRScheduler
    if kind == "cosine":
        schedule = CosineAnnealingLR(optimizer, last, lr_min)
    elif kind == "poly":
        schedule = PolynomialLR(optimizer, last, power)
    else:
        schedule = MultiStepLR(optimizer, list(milestones), 0.1)
    schedules: list[dict[str, Any]] = [{"scheduler": schedule, "interval": "epoch"}]
    if warmup_steps:
        schedules.append({"scheduler": LinearLR(optimizer, 0.001, total_iters=warmup_steps), "interval": "step"})
    return schedules


def check_named(**choices: tuple[Any, Sequence[Any]]) -> None:
    """Refuses values that are not among those allowed: ``check_named(schedule=(value, ("poly", "cosine")))``.

    Raises:
        ValueError: Naming the argument, its value and what is allowed.
    """
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ArgumentError(f"{name} must be one of {list(allowed)}, got {value!r}")
