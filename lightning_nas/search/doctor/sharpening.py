"""When the dominant eigenvalue of a search has grown as fast as RobustDARTS takes for the sign of a collapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lightning_nas.strategies.gradient.guards import Eigenvalue

STOP = Eigenvalue()
"""The early stop of RobustDARTS with its published numbers, which an eigenvalue is compared with."""


@dataclass(frozen=True)
class Sharpening:
    """The first growth of the eigenvalue for which RobustDARTS stops.

    Args:
        before: Epoch of the earlier mean, to which it goes back.
        text: The numbers.
    """

    before: int
    text: str


def sharpening(trace: Mapping[int, float]) -> Sharpening | None:
    """Compares an eigenvalue over time with :data:`STOP`; None if it never grew so fast.

    Args:
        trace: Epoch -> eigenvalue. Where none was measured ``delay`` epochs before, the last one before that counts.

    Example:
        >>> sharpening({epoch: 1.0 if epoch < 9 else 4.0 for epoch in range(14)})
        Sharpening(before=6, text='the dominant eigenvalue grew from 1 to 2.2 within 4 epochs, up to epoch 10')
    """
    for epoch in sorted(trace):
        before = max((known for known in trace if known <= epoch - STOP.delay), default=None)
        if epoch >= STOP.start and before is not None and STOP.has_grown(trace, before, epoch):
            earlier, later = STOP.mean_of(trace, before), STOP.mean_of(trace, epoch)
            return Sharpening(
                before,
                f"the dominant eigenvalue grew from {earlier:.3g} to {later:.3g} within {epoch - before} epochs, up to "
                f"epoch {epoch}",
            )
    return None
