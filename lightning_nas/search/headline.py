"""The metric that decides between networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lightning_nas.search.finite import losses_of

HEADLINES = ("accuracy", "map", "miou")
"""Metrics that decide a comparison, in order of preference; otherwise the first one does."""


def finite_or_none(value: float) -> float | None:
    """A number of JSON, which knows neither NaN nor infinity.

    Example:
        >>> finite_or_none(0.5), finite_or_none(float("nan"))
        (0.5, None)
    """
    return value if math.isfinite(value) else None


def headline(metrics: Mapping[str, Any]) -> str:
    """The metric that decides a comparison.

    Raises:
        ValueError: If there are no metrics.
    """
    if not metrics:
        raise ValueError("metrics must hold at least one value, got {}")
    return next((name for name in HEADLINES if name in metrics), next(iter(sorted(metrics))))


def validation_metric(metrics: Mapping[str, Any], wanted: str | None = None) -> str:
    """The logged validation metric that a search maximises.

    Args:
        metrics: Everything that was logged, numbers or tensors of one.
        wanted: Its name, e.g. ``"val/map_50"``; the one that decides comparisons if None.

    Raises:
        ValueError: If it is not logged.
    """
    logged = {name: float(value) for name, value in metrics.items() if name.startswith("val/")}
    if not logged:
        raise ValueError(
            f"metric = {wanted!r}: nothing was logged in validation; are there validation images, and is on them what is "
            "looked for?"
        )
    name = wanted or f"val/{headline({name.removeprefix('val/'): value for name, value in logged.items()})}"
    if name not in logged:
        raise ValueError(f"metric = {name!r} is not logged in validation; logged are {sorted(logged)}")
    return name


def validation_score(metrics: Mapping[str, Any], wanted: str | None = None) -> tuple[str, float]:
    """Name and value of what a search maximises. A name with a minus stands for the negative of a metric.

    The value is NaN if a loss is not finite, whatever the metric: a network whose outputs are NaN has an accuracy, too.

    Args:
        metrics: Everything that was logged in validation, numbers or tensors of one.
        wanted: A logged name, maximised, or one with a minus in front, minimised: ``"-val/loss"``. If None, accuracy, AP or
            mIoU; of a task that logs none of them minus its ``val/loss``. (ENAS rewards a language model with
            ``c / perplexity``; minus the loss orders architectures in the same way and needs no ``c``.)

    Raises:
        ValueError: If it is not logged.
    """
    if wanted is None:
        logged = {name: float(value) for name, value in metrics.items() if name.startswith("val/")}
        known = any(f"val/{name}" in logged for name in HEADLINES)
        wanted = validation_metric(logged) if known or "val/loss" not in logged else "-val/loss"
    name, sign = wanted.removeprefix("-"), -1.0 if wanted.startswith("-") else 1.0
    if name not in metrics:
        raise ValueError(f"metric = {wanted!r} is not logged in validation; logged are {sorted(metrics)}")
    failed = any(not math.isfinite(value) for value in losses_of(metrics).values())
    return wanted, math.nan if failed else sign * float(metrics[name])
