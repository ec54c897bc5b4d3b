"""Cost in reports: of the backbone and of the whole network, also from files of versions that knew the backbone alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PARTS = {"backbone": "backbone", "network": "whole network"}
"""Whose cost it is, as files call it -> as people read it."""

QUANTITIES = {"parameters": "parameters", "macs": "multiply-adds", "latency_ms": "latency, ms"}
"""What costs, in the same way."""

ALONE = (
    "An earlier version made this run and counted the backbone alone, together with its neck where that was searched or "
    "given with the space. Costs of trials are of the same, unless the evaluator measured them itself."
)
"""What a report says of files without the whole network's cost."""


def is_older(cost: Mapping[str, Any]) -> bool:
    """Whether an earlier version has written a ``cost``, or an entry of a comparison."""
    return "backbone" not in cost


def part_of(cost: Mapping[str, Any], part: str) -> dict[str, Any] | None:
    """Parameters, multiply-adds and latency of ``backbone`` or ``network``.

    Args:
        cost: ``cost`` of a summary, or an entry of its comparison, of this version or an earlier one.
        part: One of :data:`PARTS`.

    Returns:
        ``parameters``, ``macs`` and ``latency``, which is None where it was not measured; None for a whole network that was
        not counted.

    Raises:
        KeyError: If something is missing.
    """
    if is_older(cost):
        if part == "network":
            return None
        measured = cost.get("latency_ms")
        latency = None if measured is None else {f"{name}_ms": measured[name] for name in ("median", "p10", "p90")}
        return {"parameters": cost["parameters"], "macs": cost["macs"], "latency": latency}
    own = cost[part]
    return None if own is None else {name: own[name] for name in ("parameters", "macs", "latency")}


def cost_rows(cost: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Cost of the found network for one image: what, the backbone's, the whole network's."""
    alone, whole = (part_of(cost, part) for part in PARTS)

    def row(what: str, show: Callable[[Mapping[str, Any]], str]) -> tuple[str, str, str]:
        shown = ["not counted" if own is None else show(own) for own in (alone, whole)]
        return (what, shown[0], shown[1])

    return [
        row("Parameters", lambda own: f"{own['parameters']:,}"),
        row("Multiply-adds", lambda own: f"{own['macs']:,}"),
        row("Latency, median", lambda own: _latency(own["latency"], "{median_ms:.2f} ms")),
        row("Latency, 10 % to 90 %", lambda own: _latency(own["latency"], "{p10_ms:.2f} to {p90_ms:.2f} ms")),
    ]


def cost_note(cost: Mapping[str, Any]) -> str:
    """What the numbers are of, and how latency was measured."""
    if is_older(cost):
        return ALONE
    size = " x ".join(str(n) for n in cost["input_size"])
    sentences = [f"For one image of {size}. The whole network is all that runs at inference: backbone, neck and head."]
    if cost["network"] is None:
        sentences = [f"For one image of {size}. The task could not be run for one image, so its head was not counted."]
    sentences.append("Multiply-adds are those of convolutions and products of matrices, attention among them.")
    latency = cost["backbone"]["latency"]
    if latency is not None:
        threads = f", {latency['threads']} thread{'s' * (latency['threads'] > 1)}" * (latency["device"] == "cpu")
        sentences.append(f"Latency: measured on {latency['device']}{threads}, with all post-processing.")
    return " ".join(sentences)


def objective_title(name: str) -> str:
    """An objective or cost as people read it; a name that says no part stays as it is.

    Example:
        >>> objective_title("network/macs"), objective_title("val/map")
        ('multiply-adds, whole network', 'val/map')
    """
    part, _, quantity = name.partition("/")
    return f"{QUANTITIES[quantity]}, {PARTS[part]}" if part in PARTS and quantity in QUANTITIES else name


def _latency(latency: Mapping[str, Any] | None, form: str) -> str:
    return "not measured" if latency is None else form.format(**latency)
