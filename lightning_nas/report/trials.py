"""The trials of a black-box search, as a report shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lightning_nas.report.costs import QUANTITIES, objective_title
from lightning_nas.report.curves import fitness_chart, scatter_chart
from lightning_nas.strategies.paths.pareto import pareto_front


@dataclass(frozen=True)
class TrialReport:
    """What a page shows.

    Args:
        objective: Name of the first objective.
        sentence: How many trials there were and how they ended.
        chart: SVG: the first objective of every finished trial, in order, and the best until then.
        front: SVG: metric over cost with the Pareto front; None for one objective.
        front_rows: Trial, metric and costs of the front, and the backbone's beside them where they were counted, best metric
            first; the titles come first.
        failures: Reason -> number of trials that failed with it.
    """

    objective: str
    sentence: str
    chart: Markup | None
    front: Markup | None
    front_rows: tuple[tuple[str, ...], ...]
    failures: Mapping[str, int]


def trial_report(trials: Sequence[Mapping[str, Any]]) -> TrialReport:
    """What a page shows of the trials; the first objective is maximised, the others are minimised."""
    finished = [trial for trial in trials if trial["values"] is not None and trial["state"] in ("complete", "pruned")]
    counts = Counter(trial["state"] for trial in trials)
    told_again = sum("twin" in trial for trial in trials)
    sentence = f"{counts['complete']} trials were completed, {counts['pruned']} pruned, {counts['fail']} failed"
    sentence += f"; {told_again} took the results of an earlier trial." if told_again else "."
    names = list(finished[0]["objectives"]) if finished else []
    complete = [trial for trial in finished if trial["state"] == "complete"]
    front = pareto_front([trial["values"] for trial in complete])
    rows: list[tuple[str, ...]] = []
    if len(names) > 1:
        best = sorted((complete[index] for index in front), key=lambda trial: -trial["values"][0])
        beside = [f"backbone/{name}" for name in QUANTITIES if all(_has_backbone(trial, name) for trial in best)]
        rows.append(("trial", *(objective_title(name) for name in (*names, *beside))))
        for trial in best:
            values = [*trial["values"], *(trial["metrics"][name] for name in beside)]
            rows.append((str(trial["number"]), *(_shown(value) for value in values)))
    return TrialReport(
        objective_title(names[0]) if names else "",
        sentence,
        Markup(fitness_chart([trial["values"][0] for trial in finished], of="trial")) if len(finished) > 1 else None,
        Markup(_front_chart([trial["values"] for trial in complete], front, names)) if len(names) > 1 else None,
        tuple(rows),
        Counter(str(trial["error"]) for trial in trials if "error" in trial),
    )


def _front_chart(values: Sequence[Sequence[float]], front: Sequence[int], names: Sequence[str]) -> str:
    points = [(point[1], point[0]) for point in values]
    return scatter_chart(points, front, objective_title(names[1]), objective_title(names[0]))


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and value == round(value) else f"{value:.6g}"


def _has_backbone(trial: Mapping[str, Any], quantity: str) -> bool:
    return f"backbone/{quantity}" in trial.get("metrics", {})
