"""The tables at the end of a Hydra multirun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

if TYPE_CHECKING:
    from lightning_nas.benchmark import Benchmark


class TableCallback(Callback):
    """Prints mean and spread over seeds of all jobs, and writes them as ``table.csv`` into the sweep's folder."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        # Imported here: Hydra makes its callbacks before a command looks at its settings, and this takes seconds.
        from lightning_nas.report.multirun import write_table

        print(write_table(Path(config.hydra.sweep.dir)))


class BenchmarkCallback(Callback):
    """Prints one table of all jobs of a benchmark, and draws them into one picture in the sweep's folder."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job. Jobs of other benchmarks than the first one's have tables of their own."""
        sweep = Path(config.hydra.sweep.dir)
        results: dict[str, list[dict[str, Any]]] = {}
        for file in sorted(sweep.glob("*/benchmark.json"), key=lambda file: int(file.parent.name)):
            target = str(OmegaConf.select(OmegaConf.load(file.parent / ".hydra" / "config.yaml"), "_target_"))
            results.setdefault(target, []).append(json.loads(file.read_text(encoding="utf-8")))
        for target, group in results.items():
            kind: type[Benchmark] = get_class(target)
            Console().print(kind.render(group))
            picture = kind.draw(group, sweep)
            print(f"picture: {picture}" if picture else "")
