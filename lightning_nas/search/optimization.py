"""Optimizers and schedules of a wrapped module, treated as automatic optimization treats them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn


def split_configured(configured: Any) -> tuple[torch.optim.Optimizer, list[Any]]:
    """The forms that ``configure_optimizers`` may return -> the optimizer and its schedules.

    Raises:
        ValueError: If there is not exactly one optimizer.
    """
    optimizers, schedules = _split(configured)
    if len(optimizers) != 1:
        raise ValueError(f"the wrapped module's configure_optimizers must give one optimizer, got {len(optimizers)}")
    return optimizers[0], schedules


def _split(configured: Any) -> tuple[list[torch.optim.Optimizer], list[Any]]:
    if isinstance(configured, torch.optim.Optimizer):
        return [configured], []
    if isinstance(configured, Mapping):
        schedule = configured.get("lr_scheduler")
        if isinstance(schedule, Mapping) and "monitor" in configured:
            schedule = {"monitor": configured["monitor"], **schedule}
        elif schedule is not None and "monitor" in configured:
            schedule = {"monitor": configured["monitor"], "scheduler": schedule}
        return [configured["optimizer"]], [] if schedule is None else [schedule]
    if isinstance(configured, tuple) and len(configured) == 2 and all(isinstance(part, list) for part in configured):
        return configured
    if isinstance(configured, list | tuple):
        parts = [_split(item) for item in configured]
        return [o for part in parts for o in part[0]], [s for part in parts for s in part[1]]
    raise ValueError(f"configure_optimizers must return an optimizer, got {configured!r}")


def manual_schedules(schedules: list[Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Schedules as manual optimization takes them, and what it would ignore.

    Args:
        schedules: Schedulers, or Lightning's dictionaries around them.

    Returns:
        The schedules without the keys that concern monitored metrics, and these, for :func:`restore_monitors`.
    """
    stripped, monitored = [], []
    for schedule in schedules:
        config = dict(schedule) if isinstance(schedule, Mapping) else {"scheduler": schedule}
        plateau = isinstance(config["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau)
        monitored.append(
            {
                "monitor": config.pop("monitor", None),
                "strict": config.pop("strict", True),
                "reduce_on_plateau": config.pop("reduce_on_plateau", plateau),
            }
        )
        if monitored[-1]["reduce_on_plateau"] and monitored[-1]["monitor"] is None:
            raise ValueError("a schedule that reduces on plateaus needs 'monitor' in its dictionary, got none")
        stripped.append(config)
    return stripped, monitored


def restore_monitors(trainer: pl.Trainer, monitored: list[dict[str, Any]]) -> None:
    """Gives the Trainer's schedules the keys that :func:`manual_schedules` took away."""
    for config, values in zip(trainer.lr_scheduler_configs, monitored, strict=True):
        for name, value in values.items():
            setattr(config, name, value)


def step_schedules(trainer: pl.Trainer, model: Any, interval: str, count: int) -> None:
    """Steps the schedules of an interval, which Lightning leaves alone in manual optimization.

    Args:
        trainer: Holds the schedules.
        model: The wrapped module, whose ``lr_scheduler_step`` is called.
        interval: ``"step"`` or ``"epoch"``.
        count: Batches of this epoch, or epochs, including the current one; ``frequency`` divides it.

    Raises:
        ValueError: If a schedule with ``strict=True`` monitors a metric that was not logged.
    """
    for config in trainer.lr_scheduler_configs:
        if config.interval != interval or count % config.frequency:
            continue
        value = None
        if config.reduce_on_plateau:
            value = trainer.callback_metrics.get(str(config.monitor))
            if value is None:
                message = (
                    f"a schedule monitors {config.monitor!r}, which was not logged; "
                    f"logged are {sorted(trainer.callback_metrics)}"
                )
                if config.strict:
                    raise ValueError(message)
                rank_zero_warn(message)
                continue
        model.lr_scheduler_step(config.scheduler, value)
