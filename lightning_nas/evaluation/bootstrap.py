"""How sure a test metric is: 95 % intervals by drawing the test images anew (Efron 1979, "Bootstrap methods")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DRAWS = 200
LEVEL = 0.95


def interval(metric: Callable[[np.ndarray], float], images: int, draws: int = DRAWS) -> tuple[float, float] | None:
    """The middle 95 % of a metric over test sets drawn with replacement, always the same ones.

    Args:
        metric: How often each image is in the test set ``(images,)`` -> the metric, NaN where it is not defined.
        images: How many there are.
        draws: How many test sets.

    Returns:
        The two ends; None for fewer than two images, or where half of the draws have no value.

    Example:
        >>> right = np.repeat([1.0, 0.0], [80, 20])
        >>> low, high = interval(lambda weights: float(weights @ right / weights.sum()), 100)
        >>> bool(0.7 < low < 0.75 and 0.85 < high < 0.9)
        True
    """
    if images < 2:
        return None
    rng = np.random.default_rng(0)
    counts = rng.multinomial(images, np.full(images, 1 / images), size=draws)
    different, place = np.unique(counts, axis=0, return_inverse=True)  # of few images many test sets are the same
    values = np.array([metric(row) for row in different], dtype=np.float64)[place.reshape(-1)]
    known = values[np.isfinite(values)]
    if len(known) < draws / 2:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
