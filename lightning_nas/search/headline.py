"""The metric that decides between networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADLINES = ("accuracy", "map", "miou")
"""Metrics that decide a comparison, in order of preference; otherwise the first one does."""


def headline(metrics: Mapping[str, float]) -> str:
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
    name = wanted or f"val/{headline({name.removeprefix('val/'): value for name, value in logged.items()})}"
    if name not in logged:
        raise ValueError(f"metric = {name!r} is not logged in validation; logged are {sorted(logged)}")
    return name
