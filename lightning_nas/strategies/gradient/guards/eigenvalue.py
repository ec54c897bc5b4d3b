"""The early stop of RobustDARTS: when the loss grows sharp in the logits, they have gone too far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.guards.base import Curvature
from lightning_nas.strategies.gradient.guards.watch import Watch, check_count
from lightning_nas.strategies.gradient.part import check_between


class Eigenvalue(Watch):
    """Stops when the dominant eigenvalue of the second derivatives of the validation loss grows fast, and goes back.

    The eigenvalue is that of one batch of the architecture half at the mean of the sampler. With ``m(k)`` the mean of the last
    ``window`` measurements up to epoch ``k``, a search stops in an epoch ``k >= start`` in which
    ``0 < m(k - delay) < factor * m(k)``, and the logits are those that it had after epoch ``k - delay``. In epochs in which the
    logits rest, the first of a search with a warm-up, nothing is measured: there is nothing to go back to.

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
        for name, value in (("window", window), ("delay", delay)):
            check_count(name, value)
        super().__init__(every=every, iterations=iterations, tolerance=tolerance)
        check_between("guard.factor", factor, 0, 1, open_low=True)
        check_between("guard.start", start, 0)
        if delay % every:
            raise ArgumentError(f"guard.delay must be a multiple of guard.every = {every}, got {delay}")
        self.window, self.delay, self.factor, self.start = window, delay, factor, start
        self._logits: dict[int, dict[str, Tensor]] = {}

    def look(self, epoch: int, curvature: Curvature, logits: Mapping[str, Tensor]) -> None:
        """Measures, compares, and perhaps goes back."""
        super().look(epoch, curvature, logits)
        self._logits[epoch] = {name: group.detach().cpu().clone() for name, group in logits.items()}
        for old in [known for known in self._logits if known < epoch - self.delay]:
            del self._logits[old]
        before = epoch - self.delay
        if epoch < self.start or before not in self.trace:
            return
        if self.has_grown(self.trace, before, epoch):
            earlier, later = self.mean(before), self.mean(epoch)
            with torch.no_grad():
                for name, group in logits.items():
                    group.copy_(self._logits[before][name])
            self.stopped = (
                f"the dominant eigenvalue has grown from {earlier:.3g} to {later:.3g} within {self.delay} epochs: "
                f"stopped after epoch {epoch} with the logits of epoch {before}"
            )

    def mean(self, epoch: int) -> float:
        """``m(epoch)``: of the last measurements up to an epoch."""
        return self.mean_of(self.trace, epoch)

    def mean_of(self, trace: Mapping[int, float], epoch: int) -> float:
        """The same of any measurements, epoch -> eigenvalue, the first of them not later."""
        last = [value for known, value in sorted(trace.items()) if known <= epoch][-self.window :]
        return sum(last) / len(last)

    def has_grown(self, trace: Mapping[int, float], before: int, epoch: int) -> bool:
        """Whether the mean has grown too fast between two epochs."""
        return 0 < self.mean_of(trace, before) < self.factor * self.mean_of(trace, epoch)

    def record(self) -> dict[str, Any]:
        """The eigenvalue, where it was measured, and why the search was stopped."""
        found = super().record()
        return found if self.stopped is None else {**found, "stopped": self.stopped}

    def state_dict(self) -> dict[str, Any]:
        """The measurements, the logits that it might go back to, and whether it has."""
        return {**super().state_dict(), "logits": dict(self._logits), "stopped": self.stopped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes them back."""
        super().load_state_dict(state)
        self._logits, self.stopped = dict(state["logits"]), state["stopped"]
