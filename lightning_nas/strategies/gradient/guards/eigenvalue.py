"""The early stop of RobustDARTS: when the loss grows sharp in the logits, they have gone too far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.guards.base import Curvature, Guard
from lightning_nas.strategies.gradient.guards.power_iteration import dominant_eigenvalue
from lightning_nas.strategies.gradient.part import check_between


class Eigenvalue(Guard):
    """Stops when the dominant eigenvalue of the second derivatives of the validation loss grows fast, and goes back.

    The eigenvalue is that of one batch of the architecture half at the mean of the sampler. With ``m(k)`` the mean of the last
    ``window`` measurements up to epoch ``k``, a search stops in an epoch ``k >= start`` in which
    ``0 < m(k - delay) < factor * m(k)``, and the logits are those that it had after epoch ``k - delay``.

    Source: Zela et al. 2020, "Understanding and Robustifying Differentiable Architecture Search", arXiv 1909.09656, section
    4.2.

    Args:
        every: Epochs from one measurement to the next.
        window: Measurements of a mean.
        delay: Epochs between the two means; a multiple of ``every``.
        factor: Of the later mean.
        start: First epoch in which a search may stop.
        iterations: Products with the second derivatives per measurement, at most.
        tolerance: Of the eigenvalue, relative.

    Attributes:
        trace: Epoch -> eigenvalue.

    Example:
        >>> Eigenvalue(every=2).due(4), Eigenvalue(every=2).due(5)
        (True, False)
    """

    def __init__(
        self,
        *,
        every: int = 2,
        window: int = 5,
        delay: int = 4,
        factor: float = 0.75,
        start: int = 10,
        iterations: int = 30,
        tolerance: float = 1e-2,
    ) -> None:
        for name, value in (("every", every), ("window", window), ("delay", delay), ("iterations", iterations)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"guard.{name} must be a whole number of at least 1, got {value!r}")
        check_between("guard.factor", factor, 0, 1, open_low=True)
        check_between("guard.start", start, 0)
        check_between("guard.tolerance", tolerance, 0)
        if delay % every:
            raise ArgumentError(f"guard.delay must be a multiple of guard.every = {every}, got {delay}")
        self.every, self.window, self.delay, self.factor, self.start = every, window, delay, factor, start
        self.iterations, self.tolerance = iterations, tolerance
        self.trace: dict[int, float] = {}
        self._logits: dict[int, dict[str, Tensor]] = {}
        self._now: float | None = None

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Forgets the measurement of the epoch before."""
        self._now = None

    def due(self, epoch: int) -> bool:
        """In every ``every``-th epoch, from the first one on."""
        return epoch % self.every == 0

    def look(self, epoch: int, curvature: Curvature, logits: Mapping[str, Tensor]) -> None:
        """Measures, compares, and perhaps goes back."""
        self._now = dominant_eigenvalue(
            curvature.product, curvature.like, iterations=self.iterations, tolerance=self.tolerance
        )
        self.trace[epoch] = self._now
        self._logits[epoch] = {name: group.detach().cpu().clone() for name, group in logits.items()}
        for old in [known for known in self._logits if known < epoch - self.delay]:
            del self._logits[old]
        before = epoch - self.delay
        if epoch < self.start or before not in self.trace:
            return
        earlier, later = self.mean(before), self.mean(epoch)
        if 0 < earlier < self.factor * later:
            with torch.no_grad():
                for name, group in logits.items():
                    group.copy_(self._logits[before][name])
            self.stopped = (
                f"the dominant eigenvalue has grown from {earlier:.3g} to {later:.3g} within {self.delay} epochs: "
                f"stopped after epoch {epoch} with the logits of epoch {before}"
            )

    def mean(self, epoch: int) -> float:
        """``m(epoch)``: of the last measurements up to an epoch."""
        last = [value for known, value in sorted(self.trace.items()) if known <= epoch][-self.window :]
        return sum(last) / len(last)

    def record(self) -> dict[str, Any]:
        """The eigenvalue, where it was measured, and why the search was stopped."""
        found: dict[str, Any] = {} if self._now is None else {"eigenvalue": self._now}
        return found if self.stopped is None else {**found, "stopped": self.stopped}

    def state_dict(self) -> dict[str, Any]:
        """The measurements, the logits that it might go back to, and whether it has."""
        return {"trace": dict(self.trace), "logits": dict(self._logits), "stopped": self.stopped, "now": self._now}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes them back."""
        self.trace, self._logits = dict(state["trace"]), dict(state["logits"])
        self.stopped, self._now = state["stopped"], state["now"]
