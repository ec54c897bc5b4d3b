"""The summary of a run: what was found, how good, at what cost, with which versions."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lightning_nas.architecture import Architecture, write_atomic
from lightning_nas.errors import CheckpointError
from lightning_nas.evaluation.contender import ContenderResult
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import Trial, checked, read_text
from lightning_nas.search.lightning.outline import checkpoint_outline
from lightning_nas.search.paths.scoring import scoring_seconds
from lightning_nas.search.tasks import task_arguments

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "hydra-core", "torchmetrics", "albumentations")


def write_summary(
    folder: Path,
    *,
    architecture: Architecture,
    results: Sequence[ContenderResult],
    datamodule: Any,
    task: str,
    data: str,
    strategy: str,
    seed: int,
    pretrained: Mapping[str, Any] | None = None,
) -> Path:
    """Writes ``summary.json``; the first result is the found network.

    What there is to know of weights that training started from is :func:`lightning_nas.networks.licences.pretrained_record`'s.
    """
    found = results[0]
    summary = {
        "architecture": architecture.hash,
        "task": task,
        "data": data,
        "classes": _classes(datamodule),
        "task_arguments": task_arguments(datamodule),
        "preparation": dict(getattr(datamodule, "preparation", {})),
        "generated": bool(getattr(datamodule, "generated", False)),
        "space": " x ".join(part.space for part in architecture.components.values()),
        "strategy": strategy,
        "seed": seed,
        "pretrained": None if pretrained is None else dict(pretrained),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "seconds": {
            "search": 0.0 if strategy == "train" else _seconds_of_search(RunFolder(folder)),
            "evaluate": sum(result.seconds for result in results),
        },
        "metrics": found.metrics,
        "cost": {
            "input_size": found.input_size,
            "backbone": asdict(found.backbone),
            "network": None if found.network is None else asdict(found.network),
        },
        "comparison": [_compared(result) for result in results],
        **({} if found.presentation is None else {"presentation": asdict(found.presentation)}),
    }
    path = RunFolder(folder).summary
    write_atomic(path, json.dumps(summary, indent=2, sort_keys=True) + "\n")
    return path


def _compared(result: ContenderResult) -> dict[str, Any]:
    record = asdict(result)
    del record["presentation"]  # the same for all, and told once
    return record


def _classes(datamodule: Any) -> list[dict[str, Any]]:
    """Id and name (and colour, where there is one) of every class that the data have, if they have classes."""
    for attribute in ("categories", "classes"):
        if hasattr(datamodule, attribute):
            return [asdict(entry) for entry in getattr(datamodule, attribute)]
    return [{"id": index, "name": name} for index, name in enumerate(getattr(datamodule, "class_names", ()))]


def _seconds_of_search(run: RunFolder) -> float:
    """Wall time of all attempts; 0 where nothing was searched.

    Of all trials, or of the training of a supernet, its pretraining and the scoring of its paths. Of a front it is the training
    alone: how long its networks were measured is not kept.
    """
    if run.trials.is_file():
        lines = read_text(run.trials).splitlines()
        return sum(checked(line, Trial, str(run.trials)).get("seconds") or 0.0 for line in lines)
    scoring = scoring_seconds(run)
    last = run.last_checkpoint
    if not last.is_file():
        return scoring
    checkpoint = checkpoint_outline(last)
    if "lightning_nas" in checkpoint:  # logits
        return _elapsed(checkpoint)
    if not scoring and not run.front_record.is_file():  # the training of a given architecture
        return 0.0
    first = run.pretraining.last_checkpoint
    before = _elapsed(checkpoint_outline(first)) if first.is_file() else 0.0
    return before + _elapsed(checkpoint) + scoring


def _elapsed(checkpoint: Mapping[str, Any]) -> float:
    """What the Timer keeps in a checkpoint."""
    try:
        return float(checkpoint["callbacks"]["Timer"]["time_elapsed"]["train"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"a checkpoint of this run is not its own: it does not say how long it took ({error})"
        ) from None
