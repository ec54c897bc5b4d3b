"""Random search: the baseline of every strategy."""

from __future__ import annotations

import random

from lightning_nas.architecture import Option
from lightning_nas.strategies.blackbox.base import ArchitectureSampler


class RandomSearch(ArchitectureSampler):
    """Draws every decision uniformly, each architecture once.

    Source: Li, Talwalkar 2019, arXiv 1902.07638, who show how strong this baseline is.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=RandomSearch(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """An architecture that nobody has drawn yet."""
        return self.new_sample(rng)
