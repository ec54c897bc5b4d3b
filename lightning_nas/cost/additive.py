"""An additive model of latency: what was measured of a few architectures says about how long the others take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from lightning_nas.errors import ArgumentError

FEWEST = 8
"""Measured architectures, below which nothing is said about others."""

PENALTIES = tuple(10.0**exponent for exponent in range(-6, 3))


@dataclass(frozen=True)
class AdditiveLatency:
    """Latency as a sum: a constant, a share per multiply-add, and an effect of every option that was taken.

    Fitted by ridge regression whose penalty is chosen by leaving out one measurement at a time. The same errors are its
    residual, so that it is stated how far it is off for architectures that were not measured.

    Args:
        model: Fitted on standardised features.
        scale: Mean and spread of the features.
        residual: Median of ``|predicted - measured| / measured`` over the measured architectures, each left out in turn.
        worst: The largest of them.
        count: Measured architectures.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> bits, macs = rng.integers(0, 2, (40, 6)), rng.uniform(1e6, 9e6, 40)
        >>> ms = 1 + macs / 2e6 + bits @ np.arange(6) / 10
        >>> model = AdditiveLatency.fit(bits, macs, ms)
        >>> bool(model.residual < 0.01), bool(abs(model.predict(bits, macs) - ms).max() < 0.05)
        (True, True)
    """

    model: Any
    scale: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
    residual: float
    worst: float
    count: int

    @classmethod
    def fit(cls, encodings: Any, macs: Sequence[float] | Any, milliseconds: Sequence[float] | Any) -> Self:
        """Fits it.

        Args:
            encodings: ``(N, bits)``: what the architectures have taken, e.g. of ``space.encode``.
            macs: ``(N,)``: multiply-adds of the whole networks.
            milliseconds: ``(N,)``: what was measured.

        Raises:
            ArgumentError: If there are fewer than 8 measurements, or the lengths differ.
        """
        times = np.asarray(milliseconds, dtype=float)
        if len(times) < FEWEST or not len(encodings) == len(macs) == len(times):
            raise ArgumentError(
                f"milliseconds must hold at least {FEWEST} values, as many as encodings and macs, got {len(times)}, "
                f"{len(encodings)} and {len(macs)}"
            )
        raw = _features(encodings, macs)
        spread = raw.std(axis=0)
        scale = raw.mean(axis=0), np.where(spread > 0, spread, 1.0)
        features = (raw - scale[0]) / scale[1]
        model = RidgeCV(PENALTIES).fit(features, times)
        left_out = cross_val_predict(RidgeCV(PENALTIES), features, times, cv=LeaveOneOut())
        errors = np.abs(left_out - times) / times
        return cls(model, scale, float(np.median(errors)), float(errors.max()), len(times))

    def predict(self, encodings: Any, macs: Sequence[float] | Any) -> np.ndarray[Any, Any]:
        """Milliseconds of architectures, ``(N,)``; ``encodings`` and ``macs`` as in :meth:`fit`."""
        features = (_features(encodings, macs) - self.scale[0]) / self.scale[1]
        predicted: np.ndarray[Any, Any] = np.maximum(self.model.predict(features), 0.0)
        return predicted

    def __str__(self) -> str:
        return (
            f"additive over options and multiply-adds, off by {self.residual:.0%} in the median and {self.worst:.0%} at "
            f"most over {self.count} measured networks, each left out in turn"
        )


def _features(encodings: Any, macs: Any) -> np.ndarray[Any, Any]:
    return np.column_stack([np.asarray(macs, dtype=float), np.asarray(encodings, dtype=float)])
