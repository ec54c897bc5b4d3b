"""Searches of several strategies on a tabular benchmark, as a table and as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table


def accuracy_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """One section per dataset, in it two lines per strategy: test accuracy and regret at every mark, mean ± deviation."""
    marks, datasets = results[0]["marks"], results[0]["datasets"]
    title = f"NAS-Bench-201, {results[0]['seeds']} searches: test accuracy in % after so many evaluations"
    table = Table("strategy", *(f"after {mark}" for mark in marks), "ms each", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for dataset, shared in datasets.items():
        table.add_section()
        table.add_row(f"[bold]{dataset}[/bold]", f"optimum {shared['optimum']:.2f}")
        for result in results:
            values = result["datasets"][dataset]
            for name, mean in ((result["strategy"], "test_mean"), ("  regret", "regret_mean")):
                cells = [f"{values[mean][mark - 1]:.2f} ± {values['test_std'][mark - 1]:.2f}" for mark in marks]
                milliseconds = f"{values['overhead_ms']:.1f}" if mean == "test_mean" else ""
                table.add_row(name, *cells, milliseconds)
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
