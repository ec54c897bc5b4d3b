"""Whether a gradient search goes well, since when it does not, and what to do: one sentence.

The known failure is the collapse to skip connections: the weights train faster through them, so the logits come to prefer
them, and the found cell learns little (Liang et al. 2019, DARTS+, arXiv 1909.06035, section 3; Zela et al. 2020, RobustDARTS,
arXiv 1909.09656). Reduction cells are not judged: those of published, good networks hold nothing but poolings and skips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lightning_nas.ops import PARAMETER_FREE
from lightning_nas.search.doctor.remedies import Remedies
from lightning_nas.search.doctor.sharpening import STOP, sharpening
from lightning_nas.search.doctor.signs import STANDING_EPOCHS, Series, Signs

COLLAPSED_SHARE = 0.5
"""More than this share of parameter-free operations in a decoded cell: it has collapsed."""

DRIFT = 0.25
"""A rise of the share by at least this much above its lowest earlier value: it is on the way."""

UNDECIDED_ENTROPY = 0.99
"""Mean entropy (1: all options equally likely) above which the logits have not chosen anything yet."""

STANDS = 0.7
"""Share of decisions above which they stand all the same, as the mean over the epochs before, see Signs.standing."""

NOT_JUDGED = ("reduce",)
"""Groups of logits of reduction cells."""

NOTHING_TO_DO = "nothing to do"
"""What is proposed for a healthy search; whether it has found something better is not the doctor's question."""

RULES = (
    f"Rules, in this order. Collapsing: more than {COLLAPSED_SHARE:.0%} of the operations in a decoded cell learn nothing "
    f"({', '.join(PARAMETER_FREE)}), since the first epoch from which that stayed so. Drifting: the dominant eigenvalue of "
    f"the second derivatives of the validation loss, as a mean of {STOP.window} measurements, has grown within {STOP.delay} "
    f"epochs to more than 1/{STOP.factor:g} of what it was, in epoch {STOP.start} or later (the early stop of RobustDARTS, "
    "Zela et al. 2020, arXiv 1909.09656, section 4.2), and no guard has acted on it; or that share ends at least "
    f"{DRIFT:.0%} above its lowest earlier value. Undecided: the mean entropy of the options ends above "
    f"{UNDECIDED_ENTROPY:.2f}, where 1 means that all options are equally likely, and fewer than {STANDS:.0%} of the decisions "
    f"are those of the {STANDING_EPOCHS} epochs before; what is decoded in such epochs is a draw, so no cell is judged by it. "
    "Healthy: none of these. Reduction cells are not judged, since those of good published networks also consist of poolings "
    "and skips."
)
"""For people."""

Word = Literal["healthy", "drifting", "undecided", "collapsing", "unknown"]


@dataclass(frozen=True)
class Diagnosis:
    """The judgement of a search.

    Args:
        word: What it is.
        proposal: What to do.
        reason: The numbers.
        since: The first epoch of the trouble.
        epoch: The one whose architecture is proposed instead of the last one.
        again: The setting with which to search again.
    """

    word: Word
    proposal: str
    reason: str
    since: int | None = None
    epoch: int | None = None
    again: str | None = None

    @property
    def head(self) -> str:
        """Its word, and since when."""
        return self.word if self.since is None else f"{self.word} since epoch {self.since}"

    @property
    def sentence(self) -> str:
        """All of it, as one sentence without a capital and a full stop."""
        return f"{self.head}: {self.proposal} ({self.reason})"


def diagnose(signs: Signs, remedies: Remedies = Remedies()) -> Diagnosis:  # noqa: B008 (it is frozen)
    """Judges a search by its epochs, also while it goes on.

    Args:
        signs: Of the epochs so far.
        remedies: What this search could be made again with.

    Example:
        >>> shares = {"cell": {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0}}
        >>> print(diagnose(Signs((0, 1, 2, 3), shares, settled=3)).sentence)
        collapsing since epoch 2: use the architecture of epoch 1, or search again with strategy.guard=eigenvalue (100% of the
        operations in the found cell learn nothing)
    """
    shares, entropies = _judged(signs.shares), _judged(signs.entropies)
    if not shares and not entropies:
        return Diagnosis("unknown", "there is nothing to judge", "no epochs of a search were recorded")
    chosen = {group: _decided(values, signs, group) for group, values in shares.items()}
    chosen = {group: values for group, values in chosen.items() if values and max(values) == max(shares[group])}
    found = _collapsing(signs, chosen, remedies) or _sharp(signs, remedies) or _drifting(signs, chosen, remedies)
    return found or _undecided(signs, entropies) or _healthy(signs, shares, entropies)


def _judged(series: Series) -> Series:
    return {group: values for group, values in series.items() if group.rpartition("/")[2] not in NOT_JUDGED and values}


def _decided(values: Mapping[int, float], signs: Signs, group: str) -> dict[int, float]:
    """A series in the epochs in which the logits had chosen: before, what is decoded is a draw."""
    known = signs.entropies.get(group.partition("/")[0], {})
    return {
        epoch: value
        for epoch, value in values.items()
        if known.get(epoch, 0.0) <= UNDECIDED_ENTROPY or _stand(signs, epoch)
    }


def _stand(signs: Signs, epoch: int) -> bool:
    """Whether the decisions of an epoch are more than a draw, however small the differences of the logits are."""
    return signs.standing.get(epoch, 0.0) >= STANDS


def _collapsing(signs: Signs, shares: Series, remedies: Remedies) -> Diagnosis | None:
    for group, values in shares.items():
        last = max(values)
        if values[last] <= COLLAPSED_SHARE:
            continue
        good = [epoch for epoch, share in values.items() if share <= COLLAPSED_SHARE]
        since = min(epoch for epoch in values if epoch > max(good, default=-1))
        reason = f"{values[last]:.0%} of the operations in the found {_cell(group)} learn nothing"
        sharp = sharpening(signs.eigenvalues)
        if sharp is not None:
            reason += f"; {sharp.text}"
        before = [epoch for epoch in good if sharp is None or epoch <= max(sharp.before, min(good))]
        return _with_way_out(signs, "collapsing", reason, since, max(before, default=None), remedies)
    return None


def _sharp(signs: Signs, remedies: Remedies) -> Diagnosis | None:
    sharp = sharpening(signs.eigenvalues)
    if sharp is None or signs.stopped is not None:
        return None
    return _with_way_out(signs, "drifting", sharp.text, sharp.before + 1, sharp.before, remedies)


def _drifting(signs: Signs, shares: Series, remedies: Remedies) -> Diagnosis | None:
    for group, values in shares.items():
        low, last = min(values.values()), values[max(values)]
        if last - low >= DRIFT:
            least = max(epoch for epoch, share in values.items() if share == low)
            reason = (
                f"the share of operations that learn nothing in the {_cell(group)} rose from {low:.0%} to {last:.0%}"
            )
            return _with_way_out(signs, "drifting", reason, least + 1, least, remedies)
    return None


def _with_way_out(
    signs: Signs, word: Word, reason: str, since: int, before: int | None, remedies: Remedies
) -> Diagnosis:
    """A diagnosis that proposes the architecture of an epoch and the guard, or what helps where none was good."""
    again = remedies.from_the_start if before is None else remedies.guard
    proposal = f"search again with {again}"
    if before is None:
        reason += "; that was so as soon as the logits had chosen, so a guard has no epoch to go back to"
    elif signs.settled is not None:
        return Diagnosis(word, f"use the architecture of epoch {before}, or {proposal}", reason, since, before, again)
    return Diagnosis(word, proposal, reason, since, again=again)


def _undecided(signs: Signs, entropies: Series) -> Diagnosis | None:
    for group, values in entropies.items():
        last = values[max(values)]
        if last > UNDECIDED_ENTROPY and not _stand(signs, max(values)):
            reason = (
                f"the options of {group} are still almost equally likely, entropy {last:.3f} of 1, so the found network is "
                "little better than a random draw"
            )
            if signs.stopped is not None:
                again = "search again with a larger strategy.lr, as the guard has ended this one before it chose"
                return Diagnosis("undecided", again, f"{signs.stopped}; {reason}")
            return Diagnosis("undecided", "search for more epochs, or with a larger strategy.lr", reason)
    return None


def _healthy(signs: Signs, shares: Series, entropies: Series) -> Diagnosis:
    parts = [
        f"{values[max(values)]:.0%} of the operations in the {_cell(name)} learn nothing"
        for name, values in shares.items()
    ]
    for name, values in entropies.items():
        first, last = values[min(values)], values[max(values)]
        fell = f"fell from {first:.3f} to {last:.3f}" if last < first else f"{last:.3f}"
        parts.append(f"{name}: entropy {fell}")
    if signs.standing and max(values[max(values)] for values in entropies.values()) > UNDECIDED_ENTROPY:
        stood = signs.standing[max(signs.standing)]
        parts.append(f"{stood:.0%} of the decisions are those of the {STANDING_EPOCHS} epochs before")
    if signs.settled is not None:
        parts.append(f"no decision has changed since epoch {signs.settled}")
    if not shares:
        parts.append("there are no operations of cells to judge")
    if not signs.eigenvalues:
        parts.append("no eigenvalue was measured")
    if signs.stopped is not None:
        return Diagnosis("healthy", "the guard has acted, nothing to do", "; ".join([signs.stopped, *parts]))
    return Diagnosis("healthy", NOTHING_TO_DO, "; ".join(parts))


def _cell(group: str) -> str:
    return group if "cell" in group else f"{group} cell"
