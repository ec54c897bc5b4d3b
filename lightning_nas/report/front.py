"""The front of networks that were trained together, as a report shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from lightning_nas.errors import ReportError
from lightning_nas.report.curves import scatter_chart
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Front, MeasuredNetwork, checked, read_text

TITLES = {"macs": "multiply-adds (M)", "params": "parameters (M)", "latency_ms": "latency (ms)"}


@dataclass(frozen=True)
class FrontReport:
    """What a page shows.

    Args:
        sentence: How many networks were measured and kept, and which one is the architecture of the run.
        chart: SVG: metric over cost of all that were measured; those that are kept are filled.
        rows: At this cost take this network; the titles come first.
    """

    sentence: str
    chart: Markup
    rows: tuple[tuple[str, ...], ...]


def front_report(run: RunFolder) -> FrontReport | None:
    """What a page shows of the front of a run; None if it has none.

    Raises:
        ReportError: If a file is malformed; it names the file.
    """
    if not run.front_record.is_file():
        return None
    record = checked(read_text(run.front_record, ReportError), Front, str(run.front_record), ReportError)
    networks, cost, metric = record["networks"], record["cost"], record["metric"]
    if cost not in TITLES:
        raise ReportError(f"{run.front_record}: cost = {cost!r}: expected one of {sorted(TITLES)}")
    tuned = any(entry["metric"] != entry["inherited"] for entry in networks)
    sentence = (
        f"One training, {record['measured']} networks measured with the weights that it left; {len(networks)} of those that no "
        f"other one beats are kept, each with its weights. Number {record['chosen']} is the architecture of this run."
        + (" Each was trained by itself in the end." if tuned else "")
        + (f" Latency before that: {record['latency_model']}." if record.get("latency_model") else "")
    )
    kept = [(_cost(entry, cost), entry["metric"]) for entry in networks]
    points = [*_measured(run, cost), *kept]
    marked = range(len(points) - len(kept), len(points))
    return FrontReport(
        sentence,
        Markup(scatter_chart(points, list(marked), TITLES[cost], metric)),
        tuple(_rows(networks, cost, metric, tuned=tuned)),
    )


def beside_chart(run: RunFolder, comparison: Sequence[Mapping[str, Any]], metric: str) -> Markup | None:
    """SVG of the test images: the networks of a front beside random ones and those that one would take without a search.

    Args:
        run: The folder.
        comparison: Of its summary.
        metric: That decides.

    Returns:
        None if the run has no front, or nothing was measured.
    """
    shown = [entry for entry in comparison if entry["metrics"].get(metric) is not None and entry.get("network")]
    places = [(_scaled("macs", entry["network"]["macs"]), entry["metrics"][metric]) for entry in shown]
    kinds = [entry["kind"] for entry in shown]
    points = [place for place, kind in zip(places, kinds, strict=True) if kind not in ("baseline", "alone")]
    own = [kind in ("found", "front") for kind in kinds if kind not in ("baseline", "alone")]
    if not run.front_record.is_file() or not any(own):
        return None
    named = {entry["name"]: place for entry, place in zip(shown, places, strict=True) if entry["kind"] == "baseline"}
    marked = [index for index, is_own in enumerate(own) if is_own]
    return Markup(scatter_chart(points, marked, TITLES["macs"], f"{metric}, test images", named))


def agreement(run: RunFolder, comparison: Sequence[Mapping[str, Any]], metric: str) -> str | None:
    """Whether the weights that networks of a front shared rank them as trainings of their own do, on the test images.

    Args:
        run: The folder.
        comparison: Of its summary.
        metric: That decides.

    Returns:
        A sentence with Spearman's rank correlation; None if fewer than three networks were trained both ways.
    """
    if not run.front_record.is_file():
        return None
    chosen = checked(read_text(run.front_record, ReportError), Front, str(run.front_record), ReportError)["chosen"]
    values = {entry["name"]: entry["metrics"].get(metric) for entry in comparison}
    both = []
    for entry in comparison:
        if entry["kind"] == "alone":
            name = str(entry["name"]).removesuffix(" by itself")
            both.append((values.get("found" if name == f"front {chosen}" else name), values[entry["name"]]))
    pairs = [(together, alone) for together, alone in both if together is not None and alone is not None]
    if len(pairs) < 3:
        return None
    together, alone = zip(*pairs, strict=True)
    equal = len(set(together)) == 1 or len(set(alone)) == 1
    said = "not defined, as networks are equal" if equal else f"{spearmanr(together, alone).statistic:.2f}"
    listed = ", ".join(f"{a:.4f} / {b:.4f}" for a, b in pairs)
    return (
        f"{len(pairs)} networks of the front were trained by themselves, too, for as many epochs: {metric} from the one "
        f"training / by itself {listed}, cheapest first; rank correlation (Spearman) {said}."
    )


def _measured(run: RunFolder, cost: str) -> list[tuple[float, float]]:
    """(cost, metric) of everything that was measured."""
    if not run.candidates.is_file():
        return []
    lines = read_text(run.candidates, ReportError).splitlines()
    entries = [
        checked(line, MeasuredNetwork, f"{run.candidates}, line {number}", ReportError)
        for number, line in enumerate(lines, start=1)
    ]
    return [
        (_scaled(cost, entry["costs"][cost]), entry["fitness"])
        for entry in entries
        if entry["fitness"] is not None and cost in entry["costs"]
    ]


def _rows(networks: Sequence[dict[str, Any]], cost: str, metric: str, *, tuned: bool) -> list[tuple[str, ...]]:
    inherited = ("before tuning",) if tuned else ()
    order = [cost, *(name for name in TITLES if name != cost)]
    rows = [(f"at this {TITLES[cost]}", "take", metric, *inherited, *(TITLES[name] for name in order[1:]))]
    for entry in networks:
        costs = [_shown(entry, name) for name in order]
        before = (f"{entry['inherited']:.4g}",) if tuned else ()
        rows.append((costs[0], f"front/{entry['number']}", f"{entry['metric']:.4g}", *before, *costs[1:]))
    return rows


def _shown(entry: dict[str, Any], name: str) -> str:
    if name == "latency_ms" and entry.get("latency") is None:
        return "-"
    return f"{_cost(entry, name):.4g}"


def _cost(entry: dict[str, Any], name: str) -> float:
    value = (entry.get("latency") or {}).get("median_ms", 0.0) if name == "latency_ms" else entry[name]
    return _scaled(name, float(value))


def _scaled(name: str, value: float) -> float:
    return value if name == "latency_ms" else value / 1e6
