"""The signs of a gradient search over its epochs, as pictures, and what the doctor says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lightning_nas.report.curves import line_chart
from lightning_nas.report.reading import FinishedRun
from lightning_nas.search.doctor import Diagnosis, Signs, diagnose
from lightning_nas.search.doctor.diagnosis import COLLAPSED_SHARE


@dataclass(frozen=True)
class ChartOverTime:
    """A picture of one sign.

    Args:
        title: What it shows.
        svg: The picture; None where it was not recorded.
        caption: How to read it, or why there is none.
    """

    title: str
    svg: Markup | None
    caption: str


def diagnosis_of(run: FinishedRun, signs: Signs | None = None) -> Diagnosis:
    """What the doctor says of a run.

    Args:
        run: It.
        signs: Those of its history, if they were read already.
    """
    return diagnose(Signs.of(run.history) if signs is None else signs, run.remedies)


def charts_over_time(signs: Signs) -> tuple[ChartOverTime, ...]:
    """Share of operations that learn nothing, eigenvalue, entropy, agreement."""
    shares = {f"{group}, skips alone": values for group, values in signs.skips.items()}
    eigenvalue = {"dominant eigenvalue": signs.eigenvalues} if signs.eigenvalues else {}
    agreeing = {"as in the epoch before": signs.agreement} if signs.agreement else {}
    return (
        ChartOverTime(
            "Share of operations that learn nothing",
            _drawn({**signs.shares, **shares}, "share", threshold=COLLAPSED_SHARE, unit=True),
            "In the cells decoded after every epoch; the dashed line is the threshold of a collapse."
            if signs.shares
            else "Not recorded: what this space decides are no operations of cells.",
        ),
        ChartOverTime(
            "How sharp the loss is in the logits",
            _drawn(eigenvalue, "eigenvalue"),
            "Dominant eigenvalue of the second derivatives of the validation loss; fast growth comes before a collapse."
            if eigenvalue
            else "Not measured: strategy.guard=watch measures it, strategy.guard=eigenvalue acts on it, too.",
        ),
        ChartOverTime(
            "Entropy of the options",
            _drawn(signs.entropies, "entropy", unit=True),
            "1: all options equally likely; 0: decided.",
        ),
        ChartOverTime(
            "Agreement of the decoded architectures",
            _drawn(agreeing, "agreement", unit=True),
            "Share of the decisions that are the same as an epoch before; 1: nothing has changed."
            if agreeing
            else "Not recorded: there are no two epochs with an architecture.",
        ),
    )


def _drawn(
    lines: Mapping[str, Mapping[int, float]], seed: str, threshold: float | None = None, unit: bool = False
) -> Markup | None:
    points = {label: list(values.items()) for label, values in lines.items() if values}
    return Markup(line_chart(points, threshold=threshold, seed=seed, unit=unit)) if points else None
