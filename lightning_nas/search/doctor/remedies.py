"""What a search that has collapsed is to be made again with, as settings of commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedies:
    """Settings against a collapse.

    Args:
        guard: For a search that was good at first: stops it in time and goes back.
        from_the_start: For one whose logits chose operations that learn nothing as soon as they moved, so that there is nothing
            to go back to. The decay of beta-DARTS (Ye et al. 2022, arXiv 2203.01665) or the skip beside every edge of DARTS-
            (Chu et al. 2021, arXiv 2009.01027) keeps them from it.

    Example:
        >>> Remedies().from_the_start
        'strategy=beta_darts'
    """

    guard: str = "strategy.guard=eigenvalue"
    from_the_start: str = "strategy=beta_darts"
