"""A benchmark's numbers as a table for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from rich.table import Table

MIB = 2**20


def as_table(result: Mapping[str, Any]) -> Table:
    """One row per variant; ratios to the textbook in brackets."""
    table = Table(title=f"{result['device']}, {result['threads']} threads, torch {result['torch']}")
    for title in ("variant", "step, s (min-max)", "ratio (min-max)", "saved, MiB", "peak, MiB", "operator calls"):
        table.add_column(title, justify="left" if title == "variant" else "right")
    for row in result["variants"]:
        seconds, ratios = row["seconds"], row["ratios"]
        paired = ratios["seconds"]
        table.add_row(
            row["name"],
            f"{statistics.median(seconds):.3f} ({min(seconds):.3f}-{max(seconds):.3f})",
            f"{paired['median']:.2f} ({paired['min']:.2f}-{paired['max']:.2f})",
            _with_ratio(row["saved_bytes"] / MIB, ratios["saved_bytes"]),
            _with_ratio(row["peak_bytes"] / MIB, ratios["peak_bytes"]),
            _with_ratio(row["operator_calls"], ratios["operator_calls"]),
        )
    return table


def _with_ratio(value: float, ratio: float | None) -> str:
    return "not measured" if ratio is None else f"{value:,.0f} ({ratio:.2f})"
