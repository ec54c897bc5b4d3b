"""Which pretrained weights a training goes back to, also by way of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lightning_nas.architecture import Architecture
from lightning_nas.commands.start import Start
from lightning_nas.errors import ConfigError
from lightning_nas.networks.licences import pretrained_record
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Summary, checked, read_text


def origin(config: DictConfig, architecture: Architecture, start: Start | None = None) -> dict[str, Any] | None:
    """What is known of the pretrained weights at the beginning of all; None if there were none.

    Args:
        config: Of a search or a training.
        architecture: Of its network.
        start: The trained network that it went on from.

    Raises:
        ConfigError: If the summary of the run before is damaged.
    """
    if start is not None:
        known = start.record.pretrained
        return None if known is None else dict(known)
    if config.pretrained:
        return pretrained_record(config.pretrained, architecture)
    for run in _before(config):
        if run.summary.is_file():
            summary = checked(read_text(run.summary, ConfigError), Summary, str(run.summary), ConfigError)
            if summary.get("pretrained"):
                return dict(summary["pretrained"])
    return None


def _before(config: DictConfig) -> list[RunFolder]:
    """The runs whose weights a training starts from."""
    named = [RunFolder(config[key]) for key in ("inherit", "backbone_weights") if config.get(key)]
    network = RunFolder(str(config.get("architecture") or ""))
    if network.weights.is_file():  # of a front, which lies two folders below its search
        named.append(RunFolder(Path(network.path).resolve().parent.parent))
    return named
