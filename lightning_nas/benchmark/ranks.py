"""How well scores rank by accuracies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr  # type: ignore[import-untyped]


def spearman(scores: Sequence[float], accuracies: Sequence[float]) -> dict[str, float | None]:
    """Spearman's rank correlation with its 95 % interval; all None where it is undefined, e.g. for equal scores.

    A score that is not a number ranks with ``-inf``, last. The interval is that of Fisher's z with the standard error
    ``sqrt((1 + r^2 / 2) / (n - 3))`` of Bonett, Wright 2000, "Sample size requirements for estimating Pearson, Kendall and
    Spearman correlations", equation 3.

    Returns:
        ``value``, ``low``, ``high``.
    """
    numbers = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    if np.ptp(np.unique(numbers, return_inverse=True)[1]) == 0 or np.ptp(accuracies) == 0:
        return {"value": None, "low": None, "high": None}
    r = float(spearmanr(numbers, accuracies).statistic)
    if len(scores) <= 3:
        return {"value": r, "low": -1.0, "high": 1.0}
    z = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    error = 1.96 * math.sqrt((1 + r * r / 2) / (len(scores) - 3))
    return {"value": r, "low": math.tanh(z - error), "high": math.tanh(z + error)}
