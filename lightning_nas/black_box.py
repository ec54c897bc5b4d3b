"""Search trial by trial: any Optuna sampler over any space, with any evaluator."""

from __future__ import annotations

import inspect
import json
import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.samplers import BaseSampler

from lightning_nas.architecture import Architecture, Option, write_atomic
from lightning_nas.commands.assemble import make_sampler, make_silent_trainer, make_trainer
from lightning_nas.commands.config import ConfigError
from lightning_nas.comparison import evaluated_task
from lightning_nas.runs import RunFolder
from lightning_nas.search.evaluators import WithCosts, Workplace, cost_objective
from lightning_nas.search.storage import StudyError, open_storage
from lightning_nas.search.study import ERROR, METRICS, TWIN, Objective, Trials, best_trial, decided_choices, open_study
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox import choices_of, parameters_of

PREFILTERED = "prefiltered"
"""User attribute of a study: how many architectures were queued before its first trial."""


def is_black_box(strategy: Any) -> bool:
    """Whether a strategy is an Optuna sampler, or one that waits for its space."""
    if isinstance(strategy, partial):
        return inspect.isclass(strategy.func) and issubclass(strategy.func, BaseSampler)
    return isinstance(strategy, BaseSampler)


def search_trials(
    config: DictConfig,
    folder: Path,
    datamodule: Any,
    space: SearchSpace,
    strategy: Any,
    progress: Callable[[float], None],
) -> dict[str, Option]:
    """Evaluates trials until the study has enough of them.

    Args:
        config: Of the search.
        folder: Of the run: ``study.db`` holds the study if no other storage is named, ``trials.jsonl`` what came of it.
        datamodule: The data of the task.
        space: The search space.
        strategy: An Optuna sampler, or a partial one that is called with the space.
        progress: Called with the share of the trials that have finished.

    Returns:
        The best architecture; of several objectives the one of the Pareto front with the best metric.

    Raises:
        ConfigError: If the study cannot be opened, a value is wrong, or too many trials fail in a row.
    """
    settings = config.trials
    if config.trainer.devices not in (1, "1", "auto"):
        raise ConfigError(
            f"trainer.devices = {config.trainer.devices!r}: a worker of {type(strategy).__name__} evaluates one architecture "
            "at a time on one device; start several workers on one trials.storage instead"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    own = isinstance(strategy, partial)  # follows the study; Optuna's samplers need another seed per worker
    pruner = instantiate(config.pruner) if config.pruner is not None else None
    make_task = partial(evaluated_task(config), num_classes=datamodule.num_classes)
    make_supernet_task = partial(instantiate(config.task), num_classes=datamodule.num_classes)
    workplace = Workplace(
        space,
        datamodule,
        make_task=lambda backbone: make_task(backbone=backbone),
        make_supernet_task=lambda backbone: make_supernet_task(backbone=backbone),
        make_trainer=lambda trial, epochs, callbacks: make_trainer(
            config, trial, epochs, callbacks, progress_bar=False
        ),
        make_silent_trainer=lambda: make_silent_trainer(config, folder),
        folder=folder,
        seed=config.seed,
    )
    try:
        sampler = strategy(space) if own else make_sampler(config.strategy, space, config.seed + settings.worker)
        evaluator = instantiate(config.evaluator)(workplace)
        objectives = [
            Objective(evaluator.metric),
            *(Objective(cost_objective(cost, evaluator), larger_is_better=False) for cost in settings.costs),
        ]
        with_costs = WithCosts(evaluator, settings.costs, workplace)
        with_costs.check(space.sample(random.Random(config.seed)))
        trials = Trials(
            space,
            with_costs,
            objectives,
            count=settings.count,
            reuse=settings.reuse,
            most_failures=settings.most_failures,
            alone=settings.storage is None,
        )
        storage = open_storage(settings.storage or f"sqlite:///{RunFolder(folder).study}")
        study = open_study(storage, settings.study, space, objectives, sampler, pruner)
        if config.prefilter is not None and settings.worker == 0 and PREFILTERED not in study.user_attrs:
            kept = instantiate(config.prefilter)(workplace).best()
            for choices in kept:
                study.enqueue_trial(parameters_of(choices, space), skip_if_exists=True)
            study.set_user_attr(PREFILTERED, len(kept))
        try:
            trials.run(study, timeout=_seconds(config.max_time), progress=progress)
        finally:  # a search that gave up says why, too
            write_trials(study, space, folder)
        if len(objectives) > 1:
            write_front(study, space, folder)
        return choices_of(best_trial(study), space)
    except (StudyError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _seconds(max_time: str | None) -> float | None:
    """Of DD:HH:MM:SS."""
    if max_time is None:
        return None
    days, hours, minutes, seconds = map(int, max_time.split(":"))
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def write_trials(study: optuna.Study, space: SearchSpace, folder: Path) -> None:
    """Writes ``trials.jsonl``: one line for each trial that has ended."""
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
    write_atomic(RunFolder(folder).trials, "".join(lines))


def write_front(study: optuna.Study, space: SearchSpace, folder: Path) -> None:
    """Writes ``front/<number>.json``, the architecture of every trial of the Pareto front, with what was measured."""
    run = RunFolder(folder)
    run.front.mkdir(exist_ok=True)
    for trial in study.best_trials:
        measured: Mapping[str, Any] = trial.user_attrs[METRICS]
        record: Architecture = space.architecture(choices_of(trial, space), {"trial": trial.number, **measured})
        record.save(run.on_front(trial.number))
