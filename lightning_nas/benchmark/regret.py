"""Searches of several strategies on a tabular benchmark, as a table and as curves."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table


def accuracy_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """One row per strategy; for every dataset and mark mean ± standard deviation of test accuracy, and mean regret."""
    marks = results[0]["marks"]
    datasets = list(results[0]["datasets"])
    table = Table(
        title=f"NAS-Bench-201: test accuracy in % of the best validated architecture, {results[0]['seeds']} searches"
    )
    table.add_column("strategy")
    for dataset in datasets:
        for mark in marks:
            table.add_column(f"{dataset}\n{mark} (regret)", justify="right")
    table.add_column("ms per\nevaluation", justify="right")
    for result in results:
        cells = []
        for dataset in datasets:
            values = result["datasets"][dataset]
            for mark in marks:
                mean, spread, regret = (values[name][mark - 1] for name in ("test_mean", "test_std", "regret_mean"))
                cells.append(f"{mean:.2f} ± {spread:.2f} ({regret:.2f})")
        overhead = statistics.fmean(values["overhead_ms"] for values in result["datasets"].values())
        table.add_row(result["strategy"], *cells, f"{overhead:.1f}")
    optima = [f"{result['datasets'][dataset]['optimum']:.2f}" for dataset in datasets for _ in marks]
    table.add_row("optimum", *optima, "")
    return table


def draw_regret(results: Sequence[Mapping[str, Any]], file: Path) -> Path:
    """Mean regret of every strategy over evaluations (above) and simulated hours (below), one column per dataset.

    Args:
        results: Of :class:`~lightning_nas.benchmark.NasBench201Benchmark`, one per strategy.
        file: Where to write the picture.
    """
    datasets = list(results[0]["datasets"])
    figure = Figure(figsize=(4.2 * len(datasets), 7.2), layout="constrained")
    grid = figure.subplots(2, len(datasets), squeeze=False)
    for column, dataset in enumerate(datasets):
        for result in results:
            values = result["datasets"][dataset]
            regret = np.asarray(values["regret_mean"])
            evaluations, hours = np.arange(1, len(regret) + 1), np.asarray(values["seconds_mean"]) / 3600
            for axes, x in zip(grid[:, column], (evaluations, hours), strict=True):
                axes.plot(x, np.maximum(regret, 1e-3), label=result["strategy"], linewidth=1.5)
        for axes, over in zip(grid[:, column], ("evaluations", "simulated hours of training"), strict=True):
            axes.set(title=dataset, xlabel=over, yscale="log")
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("mean regret of test accuracy, %")
    grid[0, -1].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=120)
    return file
