"""Which architectures a strategy looks at that predicts values: mutants of the best so far, and random ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence, Set

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.base import Told


def best_of(history: Sequence[Told], count: int) -> list[Told]:
    """The best ones, best first; of equal ones the older first."""
    return sorted(history, key=lambda told: -told.value)[:count]


def draw_candidates(
    space: SearchSpace,
    parents: Sequence[Choices],
    *,
    mutants: int,
    random_ones: int,
    known: Set[Hashable],
    key: Callable[[Choices], Hashable],
    rng: random.Random,
) -> list[dict[str, Option]]:
    """Draws architectures that differ from each other and from the known ones.

    Args:
        space: The search space.
        parents: They take turns.
        mutants: Draws of an architecture that differs from a parent by one mutation.
        random_ones: Draws from the whole space.
        known: Keys of the architectures to leave out.
        key: Equal for architectures that count as one.
        rng: Of all draws.

    Returns:
        What was drawn, in order; fewer than the draws, as what comes twice is kept once.
    """
    drawn = [space.mutate(parents[index % len(parents)], rng) for index in range(mutants)]
    drawn += [space.sample(rng) for _ in range(random_ones)]
    found: dict[Hashable, dict[str, Option]] = {}
    for choices in drawn:
        name = key(choices)
        if name not in known:
            found.setdefault(name, choices)
    return list(found.values())
