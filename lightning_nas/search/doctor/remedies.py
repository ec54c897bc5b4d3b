"""What a search that has collapsed is to be made again with, as settings of commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedies:
    """Settings against a collapse.

    Args:
        guard: For a search that was good at first: stops it in time and goes back.
        from_the_start: For one whose logits chose operations that learn nothing as soon as they moved, so that there is nothing
            to go back to. The skip beside every edge of DARTS- (Chu et al. 2021, arXiv 2009.01027) keeps them from it, and the
            guard stops when that skip has faded; or the decay of beta-DARTS (Ye et al. 2022, arXiv 2203.01665).

    Example:
        >>> Remedies().from_the_start
        'strategy.auxiliary_skip=1 strategy.guard=eigenvalue'
    """

    guard: str = "strategy.guard=eigenvalue"
    from_the_start: str = "strategy.auxiliary_skip=1 strategy.guard=eigenvalue"
