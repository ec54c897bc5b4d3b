"""A ranking by several scores: in every pair of architectures the majority of the scores decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lightning_nas.errors import ArgumentError

VOTERS = ("synflow", "jacob_cov", "snip")


def vote(table: Mapping[str, Sequence[float]], voters: Sequence[str] = VOTERS) -> list[float]:
    """How many of the other architectures each one beats; sort by it to rank them.

    One beats another if more scores are larger than smaller; a draw counts half. Pairwise majorities can run in circles (a
    beats b beats c beats a), the number of wins cannot. A score that is not a number is the smallest.

    Source: Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", arXiv 2101.08134, section 4.2 (the majority of
    synflow, jacob_cov and snip); counting wins is Copeland's rule.

    Args:
        table: Name of a score -> its value for every architecture.
        voters: The scores that vote.

    Raises:
        ValueError: If there are no voters, one is not in the table, or their lengths differ.

    Example:
        >>> vote({"synflow": [1, 2, 3], "jacob_cov": [1, 3, 2], "snip": [3, 2, 1]})
        [0.0, 2.0, 1.0]
    """
    missing = [name for name in voters if name not in table]
    if missing or not voters:
        raise ArgumentError(f"voters = {list(voters)}: expected some of the table's scores {sorted(table)}")
    lengths = {name: len(table[name]) for name in voters}
    if len(set(lengths.values())) > 1:
        raise ArgumentError(f"table: expected as many values of every score, got {lengths}")
    values = np.array([np.nan_to_num(table[name], nan=-np.inf, posinf=np.inf, neginf=-np.inf) for name in voters])
    wins = []
    for column in values.T:  # pair by pair at once would need the square of their number
        balance = (column[:, None] > values).sum(0) - (column[:, None] < values).sum(0).astype(np.int64)
        wins.append(float((balance > 0).sum() + 0.5 * ((balance == 0).sum() - 1)))  # less the draw with itself
    return wins
