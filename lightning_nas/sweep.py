"""The table at the end of a Hydra multirun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lightning_nas.report.multirun import write_table


class TableCallback(Callback):
    """Prints mean and spread over seeds of all jobs, and writes them as ``table.csv`` into the sweep's folder."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        print(write_table(Path(config.hydra.sweep.dir)))
