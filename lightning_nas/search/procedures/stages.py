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
from lightning_nas.search.procedures.widening import hand_over, require_widening
from lightning_nas.strategies import GradientStrategy
from lightning_nas.strategies.gradient.stages import Masks, Stages, Widening


def search_in_stages(
    strategy: GradientStrategy, stages: Stages, job: Job, train: Callable[[GradientStrategy, Job], SearchModule]
) -> dict[str, Option]:
    """Searches stage by stage; the architecture is that of the last one.

    Of stages that keep their weights, each begins with a checkpoint that the one before has left in its folder, so that it is
    resumed as any search.

    Args:
        strategy: Every stage is searched with a copy of it.
        stages: Its schedule.
        job: What there is to be done. The last stage lies in its folder.
        train: Trains logits and weights of one stage.
    """
    if isinstance(stages, Widening):
        begun = [_begun(strategy, number, Masks(), job.seed)[0] for number in range(stages.count)]
        require_widening(begun, job.space)
    masks = Masks()
    for number in range(stages.count - 1):
        place = job.run.stage(number)
        if not place.options.is_file():
            told = job.progress if stages.keeps_weights else _quiet
            part = replace(job, space=stages.space_of(number, job.space), folder=place.path, progress=told)
            own, schedule = _begun(strategy, number, masks, job.seed)
            module = train(own, part)
            logits = module.supernet.decision_logits()
            mixed = {one.group for one in module.supernet.mixed()}
            strengths = {name: group.detach() for name, group in own.mean(logits).items() if name in mixed}
            left = schedule.narrowed(masks, strengths)
            if stages.keeps_weights:  # before the options, which say that the stage is over
                later, _ = _begun(strategy, number + 1, left, job.seed)
                following = job.run.stage(number + 1) if number + 2 < stages.count else job.run
                hand_over(module, later, done=place, following=following, seed=job.seed)
            write_atomic(place.options, json.dumps({name: mask.tolist() for name, mask in left.items()}) + "\n")
        masks = _read(place.options)
    own, _ = _begun(strategy, stages.count - 1, masks, job.seed)
    return train(own, replace(job, space=stages.space_of(stages.count - 1, job.space))).choices()


def _begun(strategy: GradientStrategy, number: int, masks: Masks, seed: int) -> tuple[GradientStrategy, Stages]:
    """A copy for a stage, whose networks start the same whether the stages before were searched just now or read."""
    pl.seed_everything(seed, workers=True, verbose=False)
    own = copy.deepcopy(strategy)
    own.enter_stage(number, masks)
    assert own.stages is not None
    return own, own.stages


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
    """Of searches from scratch, those before the last one are not counted."""
