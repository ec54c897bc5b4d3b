"""Optimizers and schedules that the tasks on images share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
)

from lightning_nas.errors import ArgumentError

OptimizerName = Literal["sgd", "adamw"]


def make_optimizer(
    name: OptimizerName, groups: Sequence[dict[str, Any]], *, momentum: float, nesterov: bool = False
) -> torch.optim.Optimizer:
    """SGD or AdamW over groups that say their rate and decay, see :func:`parameter_groups`."""
    if name == "adamw":
        return torch.optim.AdamW(groups)
    return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov)


def cosine_schedule(optimizer: torch.optim.Optimizer, epochs: int, *, lr: float, lr_min: float) -> LRScheduler:
    """Half a cosine from ``lr`` to ``lr_min``; groups of another rate end at the same share of theirs.

    Args:
        optimizer: Its groups have their rates.
        epochs: Of the training.
        lr: Rate to which ``lr_min`` belongs.
        lr_min: Where it ends.
    """
    if not lr_min or all(group["lr"] == lr for group in optimizer.param_groups):
        return CosineAnnealingLR(optimizer, epochs, lr_min)
    floor = lr_min / lr

    def share(epoch: int) -> float:
        return floor + (1 - floor) * (1 + math.cos(math.pi * epoch / epochs)) / 2

    return MultiplicativeLR(optimizer, lambda epoch: share(epoch) / share(epoch - 1))


def make_schedules(
    optimizer: torch.optim.Optimizer,
    kind: Literal["cosine", "steps", "poly"],
    epochs: int | None,
    *,
    lr: float,
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
        lr: Rate of the head.
        warmup_steps: Batches of the warm-up; 0 for none.
        lr_min: Of the cosine.
        milestones: Epochs of the steps.
        power: Of poly.
    """
    last = max(epochs or 1, 1)
    schedule: LRScheduler
    if kind == "cosine":
        schedule = cosine_schedule(optimizer, last, lr=lr, lr_min=lr_min)
    elif kind == "poly":
        schedule = PolynomialLR(optimizer, last, power)
    else:
        schedule = MultiStepLR(optimizer, list(milestones), 0.1)
    schedules: list[dict[str, Any]] = [{"scheduler": schedule, "interval": "epoch"}]
    if warmup_steps:
        schedules.append({"scheduler": LinearLR(optimizer, 0.001, total_iters=warmup_steps), "interval": "step"})
    return schedules


def check_ranges(**numbers: tuple[float, float, float]) -> None:
    """Refuses numbers outside of their range: ``check_ranges(channels=(value, 1, 8192))``.

    Raises:
        ValueError: Naming the argument, its value and the range.
    """
    for name, (value, low, high) in numbers.items():
        if not low <= value <= high:
            raise ArgumentError(f"{name} must be from {low} to {high}, got {value!r}")


def check_named(**choices: tuple[Any, Sequence[Any]]) -> None:
    """Refuses values that are not among those allowed: ``check_named(schedule=(value, ("poly", "cosine")))``.

    Raises:
        ValueError: Naming the argument, its value and what is allowed.
    """
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ArgumentError(f"{name} must be one of {list(allowed)}, got {value!r}")
