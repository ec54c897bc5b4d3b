"""A gradient search in stages: each in a folder of its own but the last, so that a killed search goes on where it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lightning_nas.architecture import Option, write_atomic
from lightning_nas.errors import ArgumentError, RunFolderError
from lightning_nas.runs.contents import read_text
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.families import pl
from lightning_nas.strategies import GradientStrategy
from lightning_nas.strategies.gradient.stages import Masks, Progressive


def search_in_stages(
    strategy: GradientStrategy, stages: Progressive, job: Job, train: Callable[[GradientStrategy, Job], SearchModule]
) -> dict[str, Option]:
    """Searches stage by stage; the architecture is that of the last one.

    Args:
        strategy: Every stage is searched with a copy of it.
        stages: Its schedule.
        job: What there is to be done. The last stage lies in its folder.
        train: Trains logits and weights of one stage.
    """
    masks = Masks()
    for number in range(stages.count - 1):
        place = job.run.stage(number)
        if not place.options.is_file():
            part = replace(job, space=stages.space_of(number, job.space), folder=place.path, progress=_quiet)
            own, schedule = _begun(strategy, number, masks, job.seed)
            module = train(own, part)
            logits = module.supernet.decision_logits()
            mixed = {one.group for one in module.supernet.mixed()}
            strengths = {name: group.detach() for name, group in own.mean(logits).items() if name in mixed}
            left = {name: mask.tolist() for name, mask in schedule.narrowed(masks, strengths).items()}
            write_atomic(place.options, json.dumps(left) + "\n")
        masks = _read(place.options)
    own, _ = _begun(strategy, stages.count - 1, masks, job.seed)
    return train(own, replace(job, space=stages.space_of(stages.count - 1, job.space))).choices()


def _begun(strategy: GradientStrategy, number: int, masks: Masks, seed: int) -> tuple[GradientStrategy, Progressive]:
    """A copy for a stage, whose networks start the same whether the stages before were searched just now or read."""
    pl.seed_everything(seed, workers=True, verbose=False)
    own = copy.deepcopy(strategy)
    schedule = own.stages
    assert schedule is not None
    schedule.enter(number, masks)
    return own, schedule


def _read(path: Path) -> Masks:
    try:
        data: dict[str, Any] = json.loads(read_text(path))
        masks = {str(name): torch.tensor(rows, dtype=torch.bool) for name, rows in data.items()}
        if any(mask.dim() != 2 or not bool(mask.any(dim=1).all()) for mask in masks.values()):
            raise ArgumentError("a row without an option")
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise RunFolderError(f"{path}: not the options that a stage has left ({str(error)[:100]})") from None
    return masks


def _quiet(share: float, *, open_end: bool = False) -> None:
    """The stages before the last one are not counted."""
