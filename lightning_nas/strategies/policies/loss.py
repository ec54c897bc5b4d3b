"""What moves a policy."""

from __future__ import annotations

from torch import Tensor


def reinforce_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """``-mean(log pi * (R - b))``, whose gradient is the policy gradient (Williams 1992).

    Args:
        log_prob: Log-probabilities of the children.
        advantage: Their rewards less the baseline.
    """
    return -(log_prob * advantage).mean()
