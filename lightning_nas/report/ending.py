"""The last lines of a run in a terminal: how good, at what cost, whether to trust it, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_nas.report.next_step import next_step
from lightning_nas.report.over_time import diagnosis_of
from lightning_nas.report.reading import read_run
from lightning_nas.report.tables import comparison_sentence, count, decimal, interval_text, shows_no_gain
from lightning_nas.report.ways_out import ways_out
from lightning_nas.search.doctor import NOTHING_TO_DO


def ending(folder: Path) -> str:
    """What a finished run says, from what lies in its folder.

    Args:
        folder: Of a search or a training.

    Raises:
        ReportError: If a needed file is missing or malformed.
    """
    run = read_run(folder)
    summary = run.summary
    searched = summary["strategy"] != "train"
    metrics = summary["metrics"]
    lines = []
    metric, mode = run.deciding
    if metrics:
        sure = interval_text(summary["comparison"][0].get("interval")) if summary["comparison"] else ""
        lines.append(("metric", f"{metric} {decimal(metrics.get(metric))}{sure} on the test images"))
        if searched and len(summary["comparison"]) > 1:
            lines.append(("", comparison_sentence(summary["comparison"], metric, mode)))
    lines.append(("cost", _cost(summary["cost"])))
    diagnosis = diagnosis_of(run)
    step = next_step(run, diagnosis, metric, mode)
    if searched and run.history:
        idle = diagnosis.proposal == NOTHING_TO_DO and shows_no_gain(summary["comparison"], metric, mode)
        said = f"{diagnosis.head}, but no gain ({diagnosis.reason})" if idle else diagnosis.sentence
        lines.append(("verdict", f"{said}."))
        lines += [("", command) for command in ways_out(run, diagnosis) if command != step.command]
    lines += [("architecture", str(run.folder.architecture)), ("report", str(run.folder.report))]
    lines += [("", step.sentence), ("next", step.command)]
    return "\n".join(f"{name + ':' if name else '':<13} {text}" for name, text in lines)


def _cost(cost: Mapping[str, Any]) -> str:
    """Of the whole network, where it is known, else of the backbone."""
    whole = cost["network"]
    numbers = whole or cost["backbone"]
    text = f"{count(numbers['parameters'])} parameters, {count(numbers['macs'])} multiply-adds"
    latency = numbers.get("latency")
    if latency:
        text += f", {latency['median_ms']:.1f} ms"
    return f"{text} per image ({'whole network' if whole else 'backbone'})"
