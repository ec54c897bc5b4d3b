"""Measures how sharp the loss is in the logits, and lets the search go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.guards.base import Curvature, Guard
from lightning_nas.strategies.gradient.guards.power_iteration import dominant_eigenvalue
from lightning_nas.strategies.gradient.part import check_between


class Watch(Guard):
    """Measures the dominant eigenvalue of the second derivatives of the validation loss, and never stops.

    The eigenvalue is that of one batch of the architecture half at the mean of the sampler. The history of the search and its
    report show it (Zela et al. 2020, "Understanding and Robustifying Differentiable Architecture Search", arXiv 1909.09656,
    section 4.1).

    Args:
        every: Epochs from one measurement to the next.
        iterations: Products with the second derivatives per measurement, at most.
        tolerance: Of the eigenvalue, relative.

    Attributes:
        trace: Epoch -> eigenvalue.

    Example:
        >>> Watch(every=2).due(4), Watch(every=2).due(5)
        (True, False)
    """

    def __init__(self, *, every: int = 2, iterations: int = 30, tolerance: float = 1e-2) -> None:
        for name, value in (("every", every), ("iterations", iterations)):
            check_count(name, value)
        check_between("guard.tolerance", tolerance, 0)
        self.every, self.iterations, self.tolerance = every, iterations, tolerance
        self.trace: dict[int, float] = {}
        self._now: float | None = None

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Forgets the measurement of the epoch before."""
        self._now = None

    def due(self, epoch: int) -> bool:
        """In every ``every``-th epoch, from the first one on."""
        return epoch % self.every == 0

    def look(self, epoch: int, curvature: Curvature, logits: Mapping[str, Tensor]) -> None:
        """Measures."""
        self._now = dominant_eigenvalue(
            curvature.product, curvature.like, iterations=self.iterations, tolerance=self.tolerance
        )
        self.trace[epoch] = self._now

    def record(self) -> dict[str, Any]:
        """The eigenvalue, where it was measured."""
        return {} if self._now is None else {"eigenvalue": self._now}

    def state_dict(self) -> dict[str, Any]:
        """The measurements."""
        return {"trace": dict(self.trace), "now": self._now}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes them back."""
        self.trace, self._now = dict(state["trace"]), state["now"]


def check_count(name: str, value: int) -> None:
    """Refuses what is no whole number of at least 1.

    Args:
        name: Argument of the guard.
        value: Its value.

    Raises:
        ArgumentError: Naming both.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"guard.{name} must be a whole number of at least 1, got {value!r}")
