"""Whether a search went well: entropy of the options and share of operations that learn nothing, in plain words.

The known failure of differentiable search is the collapse to skip connections: the weights train faster through them,
so the logits come to prefer them, and the found cell learns little (Zela et al. 2020, arXiv 1909.09656; Liang et al. 2019,
arXiv 1909.06035). Reduction cells are not judged: those of published, good networks hold nothing but poolings and skips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import PARAMETER_FREE

COLLAPSED_SHARE = 0.5
"""More than this share of parameter-free operations in a decoded cell: it has collapsed."""

DRIFT = 0.25
"""A rise of the share by at least this much above its lowest earlier value: it is on the way."""

UNDECIDED_ENTROPY = 0.99
"""Mean entropy (1: all options equally likely) above which the logits have not chosen anything yet."""

NOT_JUDGED = ("reduce",)
"""Groups of logits of reduction cells."""

Word = Literal["healthy", "drifting", "undecided", "collapsing", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of a search.

    Args:
        word: ``collapsing``, ``drifting``, ``undecided`` or ``healthy``; ``unknown`` without anything to judge.
        sentence: The reason, with its numbers.
        thresholds: The rules, in words.
    """

    word: Word
    sentence: str
    thresholds: str = (
        f"Rules, in this order. Collapsing: more than {COLLAPSED_SHARE:.0%} of the operations in a decoded cell learn nothing "
        f"({', '.join(PARAMETER_FREE)}). Drifting: that share ends at least {DRIFT:.0%} above its lowest earlier value. "
        f"Undecided: the mean entropy of the options ends above {UNDECIDED_ENTROPY:.2f}, where 1 means that all options are "
        "equally likely. Healthy: none of these. Reduction cells are not judged, since those of good published "
        "networks also consist of poolings and skips."
    )


def skip_share(operations: Sequence[str]) -> float:
    """Share of operations without parameters among those of a decoded cell.

    Raises:
        ValueError: If there are no operations.
    """
    if not operations:
        raise ArgumentError("operations must not be empty, got []")
    return sum(name in PARAMETER_FREE for name in operations) / len(operations)


def entropy(probabilities: Sequence[Sequence[float]]) -> float:
    """Mean over edges of the options' entropy, divided by the logarithm of their number: 0 is certain, 1 is uniform.

    Args:
        probabilities: ``(edges, options)``; options of probability 0 or with no alternative count as certain.

    Raises:
        ValueError: If there are no edges.
    """
    if not probabilities:
        raise ArgumentError("probabilities must hold at least one edge, got []")
    total = 0.0
    for row in probabilities:
        if len(row) > 1:
            total -= sum(p * math.log(p) for p in row if p > 0) / math.log(len(row))
    return total / len(probabilities)


def judge(shares: Mapping[str, Sequence[float]], entropies: Mapping[str, Sequence[float]]) -> Verdict:
    """Judges a search by its epochs.

    Args:
        shares: Per group of logits the share of parameter-free operations after every epoch (:func:`skip_share`).
        entropies: Per group the entropy after every epoch (:func:`entropy`).
    """
    shares = {group: values for group, values in shares.items() if _is_judged(group) and values}
    entropies = {group: values for group, values in entropies.items() if _is_judged(group) and values}
    if not shares and not entropies:
        return Verdict("unknown", "No epochs of a search were recorded, so there is nothing to judge.")
    for group, values in shares.items():
        if values[-1] > COLLAPSED_SHARE:
            return Verdict(
                "collapsing",
                f"{values[-1]:.0%} of the operations in the found {group} cell learn nothing: the search has collapsed to skip "
                "connections and poolings. Search for fewer epochs, with stronger weight decay, or with another strategy.",
            )
    for group, values in shares.items():
        if values[-1] - min(values) >= DRIFT:
            return Verdict(
                "drifting",
                f"The share of operations that learn nothing in the {group} cell rose from {min(values):.0%} to "
                f"{values[-1]:.0%}: a longer search may collapse.",
            )
    for group, values in entropies.items():
        if values[-1] > UNDECIDED_ENTROPY:
            return Verdict(
                "undecided",
                f"The options of {group} are still almost equally likely (entropy {values[-1]:.3f} of 1): the search was too "
                "short to choose, and the found network is little better than a random draw.",
            )
    parts = [f"{group}: {values[-1]:.0%} of the operations learn nothing" for group, values in shares.items()]
    parts += [
        f"{group}: entropy fell from {values[0]:.3f} to {values[-1]:.3f}"
        if values[-1] < values[0]
        else f"{group}: entropy {values[-1]:.3f}"
        for group, values in entropies.items()
    ]
    return Verdict("healthy", "The search made choices and kept operations that learn (" + "; ".join(parts) + ").")


def _is_judged(group: str) -> bool:
    return group.rpartition("/")[2] not in NOT_JUDGED  # of a joint search: backbone/reduce
