"""The number that a search maximises, of all that a task logs in validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.finite import losses_of
from lightning_nas.search.presentation import Presentation


def finite_or_none(value: float) -> float | None:
    """A number of JSON, which knows neither NaN nor infinity.

    Example:
        >>> finite_or_none(0.5), finite_or_none(float("nan"))
        (0.5, None)
    """
    return value if math.isfinite(value) else None


def validation_score(metrics: Mapping[str, Any], wanted: str | None = None, task: Any = None) -> tuple[str, float]:
    """Name and value of what a search maximises. A name with a minus stands for the negative of a metric.

    The value is NaN if a loss is not finite, whatever the metric: a network whose outputs are NaN has an accuracy, too.

    Args:
        metrics: Everything that was logged in validation, numbers or tensors of one.
        wanted: A logged name, maximised, or one with a minus in front, minimised: ``"-val/loss"``. If None, the task's
            ``headline``; of a task that has none minus its ``val/loss``, or else what :meth:`Presentation.deciding` says. (ENAS
            rewards a language model with ``c / perplexity``; minus the loss orders architectures in the same way and needs
            no ``c``.)
        task: That has logged them; None for one that says nothing of itself.

    Raises:
        ValueError: If it is not logged.
    """
    if wanted is None:
        logged = [name.removeprefix("val/") for name in metrics if name.startswith("val/")]
        if not logged:
            raise ArgumentError(
                "metric = None: nothing was logged in validation; are there validation images, and is on them what is "
                "looked for?"
            )
        name, mode = Presentation.of(task).deciding(logged)
        wanted = f"val/{name}" if mode == "max" else f"-val/{name}"
    name, sign = wanted.removeprefix("-"), -1.0 if wanted.startswith("-") else 1.0
    if name not in metrics:
        raise ArgumentError(f"metric = {wanted!r} is not logged in validation; logged are {sorted(metrics)}")
    failed = any(not math.isfinite(value) for value in losses_of(metrics).values())
    return wanted, math.nan if failed else sign * float(metrics[name])
