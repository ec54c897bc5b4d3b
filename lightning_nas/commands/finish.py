"""The end of a run: summary, report, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from lightning_nas.architecture import Architecture
from lightning_nas.commands.components import chosen
from lightning_nas.evaluation.contender import ContenderResult
from lightning_nas.evaluation.summary import write_summary
from lightning_nas.report.ending import ending
from lightning_nas.report.page import build as build_report


@rank_zero_only
def finish(
    config: DictConfig,
    folder: Path,
    architecture: Architecture,
    results: Sequence[ContenderResult],
    datamodule: Any,
    strategy: str,
    pretrained: Mapping[str, Any] | None = None,
) -> None:
    """Writes summary and report, says where they are.

    Args:
        config: Of the command.
        folder: Of the run.
        architecture: What was found or trained.
        results: What became of the networks, the found one's first.
        datamodule: The data.
        strategy: How it was found, ``"train"`` if it was given.
        pretrained: What is known of the weights that training started from.
    """
    write_summary(
        folder,
        architecture=architecture,
        results=results,
        datamodule=datamodule,
        task=chosen("task"),
        data=chosen("data"),
        strategy=strategy,
        seed=config.seed,
        pretrained=pretrained,
    )
    build_report(folder)
    print(ending(folder))
