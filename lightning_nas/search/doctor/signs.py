"""What the epochs of a gradient search show of its health, from the lines of its history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean
from typing import Any

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import PARAMETER_FREE

SKIP = "skip_connect"

STANDING_EPOCHS = 5
"""So many epochs back decisions are compared with, to see whether they stand."""

Series = dict[str, dict[int, float]]
"""Group of logits, or several that differ in a number -> epoch -> value, ascending."""


@dataclass(frozen=True)
class Signs:
    """What was recorded epoch by epoch; groups that differ in a number only, ``cell0``, ``cell1``, are one: ``cells``.

    Args:
        epochs: Their numbers, ascending.
        shares: Of the operations of the decoded cells, how many learn nothing: skips, poolings, ``none``.
        skips: Of these operations, how many are skips.
        entropies: Of the options, 1 if all are equally likely and 0 if they are decided. Of a joint search, a mean per part.
        eigenvalues: Epoch -> dominant eigenvalue of the second derivatives of the validation loss, where it was measured.
        agreement: Share of the decisions that were the same in the epoch before, for every epoch but the first.
        standing: Share of the decisions that were the same in the :data:`STANDING_EPOCHS` epochs before, the mean over
            them, for every epoch before which the logits have moved so often.
        settled: The first epoch since which no decision has changed; None where architectures were not recorded.
        stopped: What the guard said when it ended the search.
    """

    epochs: tuple[int, ...] = ()
    shares: Series = field(default_factory=dict)
    skips: Series = field(default_factory=dict)
    entropies: Series = field(default_factory=dict)
    eigenvalues: Mapping[int, float] = field(default_factory=dict)
    agreement: Mapping[int, float] = field(default_factory=dict)
    standing: Mapping[int, float] = field(default_factory=dict)
    settled: int | None = None
    stopped: str | None = None

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]]) -> Signs:
        """Reads them off a history; epochs that lack a value have none.

        Args:
            history: The lines of ``history.jsonl``, ascending by epoch; those of earlier versions hold less.

        Example:
            >>> line = {"probabilities": {"cell": [[0.5, 0.5]]}, "skip_share": {"cell": 1.0}}
            >>> signs = Signs.of([{"epoch": e, "choices": {"cell.1.0": "skip_connect"}, **line} for e in range(2)])
            >>> signs.shares, signs.skips, signs.entropies
            ({'cell': {0: 1.0, 1: 1.0}}, {'cell': {0: 1.0, 1: 1.0}}, {'cell': {0: 1.0, 1: 1.0}})
            >>> signs.agreement, signs.settled
            ({1: 1.0}, 0)
        """
        shares, skips, entropies = Series(), Series(), Series()
        for line in history:
            epoch, recorded, choices = line["epoch"], line.get("skip_share", {}), line.get("choices", {})
            _append(shares, epoch, [(numbered(group), share) for group, share in recorded.items()])
            _append(skips, epoch, [(numbered(group), share) for group in recorded for share in _skips(choices, group)])
            parts = [(numbered(group).partition("/")[0], entropy(p)) for group, p in line["probabilities"].items()]
            _append(entropies, epoch, parts)
        decided = [line for line in history if line.get("choices")]
        pairs = list(pairwise(decided))
        changed = [new["epoch"] for old, new in pairs if old["choices"] != new["choices"]]
        return cls(
            tuple(line["epoch"] for line in history),
            shares,
            skips,
            entropies,
            {line["epoch"]: line["eigenvalue"] for line in history if line.get("eigenvalue") is not None},
            {new["epoch"]: agreement(old["choices"], new["choices"]) for old, new in pairs},
            _standing(decided),
            max(changed, default=decided[0]["epoch"]) if decided else None,
            history[-1].get("stopped") if history else None,
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


def agreement(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Share of the decisions that two architectures have made alike.

    Example:
        >>> agreement({"a": "skip", "b": "conv"}, {"a": "skip", "b": "pool"})
        0.5
    """
    names = {*first, *second}
    return sum(name in first and name in second and first[name] == second[name] for name in names) / len(names)


def _standing(lines: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    found, moved = {}, 0
    for index, (old, new) in enumerate(pairwise(lines), start=1):
        resting = old["probabilities"] == new["probabilities"]  # and so do the decisions
        moved = 0 if resting else moved + 1
        if moved >= STANDING_EPOCHS:
            before = lines[index - STANDING_EPOCHS : index]
            found[new["epoch"]] = fmean(agreement(line["choices"], new["choices"]) for line in before)
    return found


def numbered(group: str) -> str:
    """Groups that differ in a number only are judged together: ``cell0``, ``cell1``, ... are ``cells``."""
    name = group.rstrip("0123456789")
    return group if name == group else f"{name}s"


def _skips(choices: Mapping[str, Any], group: str) -> list[float]:
    """Share of skips among the operations of a group; nothing where they were not recorded."""
    own = [o for name, o in choices.items() if name.startswith(f"{group}.") and isinstance(o, str) and "+" not in o]
    return [sum(option == SKIP for option in own) / len(own)] if own else []


def _append(series: Series, epoch: int, values: Sequence[tuple[str, float]]) -> None:
    """One more epoch: the mean of all values of a name."""
    for name in dict.fromkeys(name for name, _ in values):
        own = [value for other, value in values if other == name]
        series.setdefault(name, {})[epoch] = sum(own) / len(own)
