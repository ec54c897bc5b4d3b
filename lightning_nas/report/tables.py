"""The numbers of a report: the found network beside others of the same budget."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.hand_made import RESIDUAL
from lightning_nas.report.costs import PARTS, QUANTITIES, part_of
from lightning_nas.search.presentation import MetricTable

DASH = "–"
"""Where there is nothing to measure, or the number is not finite."""


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation; one value has no spread.

    Raises:
        ValueError: If there are no values.
    """
    if not values:
        raise ArgumentError("values must not be empty, got []")
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def plus_minus(values: Sequence[float], digits: int = 4) -> str:
    """Mean ± spread as text, e.g. ``0.9712 ± 0.0031``."""
    mean, spread = mean_and_spread(values)
    return f"{mean:.{digits}f}" if spread is None else f"{mean:.{digits}f} ± {spread:.{digits}f}"


def decimal(value: float | None, digits: int = 4) -> str:
    """A metric for people."""
    return DASH if value is None else f"{value:.{digits}f}"


def count(number: float) -> str:
    """A large number for people: 3.35 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:.0f}"


COSTS = tuple(
    (quantity, part, f"{QUANTITIES[quantity].capitalize()}, {PARTS[part]}")
    for quantity in ("parameters", "macs")
    for part in PARTS
)
"""Columns of cost in a comparison: what, whose, title."""


def comparison_rows(comparison: Sequence[Mapping[str, Any]], metric: str) -> list[tuple[str, ...]]:
    """One row per network and one for the mean of the random ones: name, metric, and the columns of :data:`COSTS`."""
    rows = [_row(str(entry["name"]), [entry], metric) for entry in comparison if entry["kind"] != "random"]
    drawn = [entry for entry in comparison if entry["kind"] == "random"]
    if drawn:
        rows.insert(1, _row(f"random architectures, mean ± spread of {len(drawn)}", drawn, metric))
        rows += [_row(str(entry["name"]), [entry], metric) for entry in drawn]
    return rows


@dataclass(frozen=True)
class Shown:
    """A table of the task's, as a page shows it.

    Args:
        title: The heading above it.
        note: Text below it.
        head: Headings of the columns.
        rows: Cells, the first one being the name of the row.
        of_networks: Whether a row is a network, the first one the found one.
    """

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    of_networks: bool


def shown_tables(tables: Sequence[MetricTable], comparison: Sequence[Mapping[str, Any]]) -> list[Shown]:
    """The tables of a task with the numbers of all networks; those of which no network has a metric are left out.

    There is a dash where a network has no value.
    """
    shown = []
    for table in tables:
        measured = [entry["metrics"] for entry in comparison]
        if not any(set(table.metrics) & set(metrics) for metrics in measured):
            continue
        names = [str(entry["name"]) for entry in comparison]
        columns = [[decimal(metrics.get(metric), 3) for metrics in measured] for metric in table.metrics]
        if table.rows == "networks":
            head = (table.corner, *table.metrics.values())
            rows = [(name, *cells) for name, *cells in zip(names, *columns, strict=True)]
        else:
            head = (table.corner, *names)
            titled = zip(table.metrics.values(), columns, strict=True)
            rows = [(title, *cells) for title, cells in titled if set(cells) != {DASH}]
        shown.append(Shown(table.title, table.note, head, tuple(rows), table.rows == "networks"))
    return shown


def comparison_sentence(comparison: Sequence[Mapping[str, Any]], metric: str, mode: Literal["max", "min"]) -> str:
    """Says plainly whether the found network is better than random ones and than hand-made ones.

    Args:
        comparison: Of a summary.
        metric: That decides.
        mode: Whether larger or smaller values of it are better.
    """
    found = [entry["metrics"].get(metric) for entry in comparison if entry["kind"] == "found"]
    if not found:
        return "The found network was not trained, so it cannot be compared."
    if found[0] is None:
        return f"The test gave no {metric} of the found network, so it cannot be compared."
    better = 1 if mode == "max" else -1
    sentences = [_against_random(found[0], measured(comparison, metric, "random"), metric, better)]
    for entry in comparison:
        value = entry["metrics"].get(metric)
        if entry["kind"] == "baseline" and value is None and not entry.get("failure"):
            sentences.append(f"The test gave no {metric} of {entry['name']}.")
        elif entry["kind"] == "baseline" and value is not None:
            gain = better * (found[0] - value)
            how = "better than" if gain > 0 else "worse than" if gain < 0 else "equal to"
            sentences.append(f"It is {how} {entry['name']} ({value:.4f}).")
    sentences += [
        f"The training of {entry['name']} failed: {entry['failure']}." for entry in comparison if entry.get("failure")
    ]
    return " ".join([*sentences, "The found network was trained once here: other seeds may change the order."])


def shows_no_gain(comparison: Sequence[Mapping[str, Any]], metric: str, mode: Literal["max", "min"]) -> bool:
    """Whether the comparison does not show that the found network is better.

    It has to be better than random ones by more than their spread, and than every one that was made by hand.

    Args:
        comparison: Of a summary.
        metric: That decides.
        mode: Whether larger or smaller values of it are better.
    """
    found = measured(comparison, metric, "found")
    if not found:
        return False
    better = 1 if mode == "max" else -1
    drawn, by_hand = (measured(comparison, metric, kind) for kind in ("random", "baseline"))
    mean, spread = mean_and_spread(drawn) if drawn else (None, None)
    not_above = mean is not None and better * (found[0] - mean) <= (spread or 0.0)
    return not_above or any(better * (found[0] - value) <= 0 for value in by_hand)


def measured(comparison: Sequence[Mapping[str, Any]], metric: str, kind: str) -> list[float]:
    """The metric of all networks of a kind that have it."""
    values = [entry["metrics"].get(metric) for entry in comparison if entry["kind"] == kind]
    return [value for value in values if value is not None]


def matched_sentence(comparison: Sequence[Mapping[str, Any]]) -> str:
    """In what the hand-made network equals the found one; nothing where there is none of equal size."""
    if not any(entry["name"] == RESIDUAL for entry in comparison):
        return ""
    return f"The backbone of the {RESIDUAL} network has about as many parameters as the found one; nothing else is matched."


def _against_random(found: float, drawn: Sequence[float], metric: str, better: int) -> str:
    if not drawn:
        return "There are no random architectures to compare with, so nothing shows that the search was better than a draw."
    mean, spread = mean_and_spread(drawn)
    text, gain = f"{metric} {found:.4f} against {plus_minus(drawn)}", better * (found - mean)
    if spread is None:
        how = "above" if gain > 0 else "not above"
        return f"The found network is {how} the one random architecture ({text}); one draw shows no spread."
    if gain > spread:
        return f"The found network is better than the random architectures by more than their spread ({text})."
    if gain < -spread:
        return f"The found network is worse than the random architectures by more than their spread ({text})."
    side = "better" if gain > 0 else "no better"
    return (
        f"The found network is {side} than the mean of the random architectures, within their spread ({text}): "
        "this run does not show that the search helped."
    )


def _row(name: str, entries: Sequence[Mapping[str, Any]], metric: str) -> tuple[str, ...]:
    values = [value for entry in entries if (value := entry["metrics"].get(metric)) is not None]
    costs = [_mean([part_of(entry, part) for entry in entries], quantity) for quantity, part, _ in COSTS]
    sure = interval_text(entries[0].get("interval")) if len(entries) == 1 else ""
    return (name, plus_minus(values) + sure if values else DASH, *costs)


def interval_text(interval: Sequence[float] | None) -> str:
    """A 95 % interval behind its metric; nothing where it is not known.

    Example:
        >>> interval_text([0.412, 0.5])
        ' (0.4120 to 0.5000)'
    """
    return "" if interval is None else f" ({decimal(interval[0])} to {decimal(interval[1])})"


def _mean(parts: Sequence[Mapping[str, Any] | None], quantity: str) -> str:
    known = [part[quantity] for part in parts if part is not None]
    return count(statistics.fmean(known)) if known else "not counted"
