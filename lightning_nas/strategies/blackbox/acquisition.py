"""How promising an architecture is whose value is predicted with an uncertainty."""

from __future__ import annotations

import math
import random
from typing import Literal, get_args

import numpy as np
from scipy.special import ndtr  # type: ignore[import-untyped]

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.blackbox.encoding import Array

Acquisition = Literal["its", "ei", "ucb"]


def acquire(
    acquisition: Acquisition, mean: Array, deviation: Array, *, best: float, beta: float, rng: random.Random
) -> Array:
    """The acquisition function of one's choice.

    - ``"its"``, independent Thompson sampling (White et al. 2021, arXiv 1910.11858): one draw of every prediction.
    - ``"ei"``, expected improvement (Jones, Schonlau, Welch 1998): how much better than the best on average.
    - ``"ucb"``, upper confidence bound (Srinivas et al. 2010, arXiv 0912.3995): mean plus ``beta`` deviations.

    Args:
        acquisition: One of these.
        mean: Predicted values, larger is better.
        deviation: Their standard deviations, not negative.
        best: The best value so far, of ``"ei"``.
        beta: Of ``"ucb"``.
        rng: Draws of ``"its"``.
    """
    if acquisition == "its":
        return mean + deviation * np.random.default_rng(rng.getrandbits(64)).standard_normal(len(mean))
    if acquisition == "ei":
        gain, certain = mean - best, deviation <= 0
        z = gain / np.where(certain, 1.0, deviation)
        expected = gain * ndtr(z) + deviation * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        return np.where(certain, np.maximum(gain, 0.0), expected)
    return mean + beta * deviation


def check_acquisition(name: str, value: object) -> None:
    """Names an argument that is no acquisition function.

    Raises:
        ValueError: If it is none.
    """
    if value not in get_args(Acquisition):
        raise ArgumentError(f"{name} must be one of {list(get_args(Acquisition))}, got {value!r}")
