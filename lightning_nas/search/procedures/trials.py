"""Search trial by trial: any Optuna sampler over any space, with any evaluator."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping
from typing import Any, cast

import optuna
from optuna.samplers import BaseSampler

from lightning_nas.architecture import Architecture, Option, write_atomic
from lightning_nas.errors import JobError
from lightning_nas.runs import RunFolder
from lightning_nas.search.job import Job
from lightning_nas.search.trials.evaluators import TrainEvaluator, WithCosts, cost_objective
from lightning_nas.search.trials.giving_up import ERROR, METRICS, TWIN
from lightning_nas.search.trials.loop import Reuse, Trials
from lightning_nas.search.trials.storage import open_storage
from lightning_nas.search.trials.study import Objective, best_trial, decided_choices, open_study
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox import choices_of, parameters_of

PREFILTERED = "prefiltered"
"""User attribute of a study: how many architectures were queued before its first trial."""


def search_trials(sampler: BaseSampler, job: Job) -> dict[str, Option]:
    """Evaluates trials until the study has enough of them.

    Args:
        sampler: Proposes architectures.
        job: ``study`` of its run holds the study if no other storage is named, ``trials`` what came of it.

    Returns:
        The best architecture; of several objectives the one of the Pareto front with the best metric.

    Raises:
        JobError: If the Trainer has several devices, a value is wrong, the study cannot be opened, or too many trials fail in
            a row.
    """
    settings, space = job.trials, job.space
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    devices = job.trainers.silent(job.folder).world_size
    if devices > 1:
        raise JobError(
            f"trainer.devices: a worker of {type(sampler).__name__} evaluates one architecture at a time on one device, got "
            f"{devices}; start several workers on one trials.storage instead"
        )
    evaluator = (job.evaluator or TrainEvaluator)(job)
    objectives = [
        Objective(evaluator.metric),
        *(Objective(cost_objective(cost, evaluator), larger_is_better=False) for cost in settings.costs),
    ]
    with_costs = WithCosts(evaluator, settings.costs, job)
    with_costs.check(space.sample(random.Random(job.seed)))
    trials = Trials(
        space,
        with_costs,
        objectives,
        count=settings.count,
        reuse=cast(Reuse, settings.reuse),
        most_failures=settings.most_failures,
        alone=settings.storage is None,
    )
    job.run.path.mkdir(parents=True, exist_ok=True)
    storage = open_storage(settings.storage or f"sqlite:///{job.run.study}")
    study = open_study(storage, settings.study, space, objectives, sampler, job.pruner)
    if job.prefilter is not None and settings.worker == 0 and PREFILTERED not in study.user_attrs:
        kept = job.prefilter(job).best()
        for choices in kept:
            study.enqueue_trial(parameters_of(choices, space), skip_if_exists=True)
        study.set_user_attr(PREFILTERED, len(kept))
    try:
        trials.run(study, timeout=_seconds(job.max_time), progress=job.progress)
    finally:  # a search that gave up says why, too
        write_trials(study, space, job.run)
    if len(objectives) > 1:
        write_front(study, space, job.run)
    return choices_of(best_trial(study), space)


def _seconds(max_time: str | None) -> float | None:
    """Of DD:HH:MM:SS."""
    if max_time is None:
        return None
    days, hours, minutes, seconds = map(int, max_time.split(":"))
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def write_trials(study: optuna.Study, space: SearchSpace, run: RunFolder) -> None:
    """Writes one line for each trial that has ended."""
    lines = []
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            continue
        choices = decided_choices(trial, space)
        line: dict[str, Any] = {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "architecture": None if choices is None else space.to_text(choices),
            "objectives": study.user_attrs["objectives"],
            "values": trial.values,
            "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        }
        for key in (METRICS, ERROR, TWIN):
            if key in trial.user_attrs:
                line[key] = trial.user_attrs[key]
        lines.append(json.dumps(line) + "\n")
    write_atomic(run.trials, "".join(lines))


def write_front(study: optuna.Study, space: SearchSpace, run: RunFolder) -> None:
    """Writes the architecture of every trial of the Pareto front, with what was measured."""
    run.front.mkdir(exist_ok=True)
    for trial in study.best_trials:
        measured: Mapping[str, Any] = trial.user_attrs[METRICS]
        record: Architecture = space.architecture(choices_of(trial, space), {"trial": trial.number, **measured})
        record.save(run.on_front(trial.number))
