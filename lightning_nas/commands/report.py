"""``report``: writes the page of a finished run anew."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from lightning_nas.errors import ConfigError


def run(config: DictConfig) -> Path:
    """Writes the report of a finished run anew.

    Returns:
        The report.

    Raises:
        ConfigError: If no run is named or the folder is not a run.
    """
    if not config.run:
        raise ConfigError("run = null: name a run folder, e.g. run=runs/search/2026-01-31_12-00-00")
    if not Path(config.run).is_dir():
        raise ConfigError(f"run = {config.run!r}: there is no such folder")
    from lightning_nas.report.page import build  # takes seconds

    path = build(Path(config.run))
    print(f"report: {path}")
    return path
