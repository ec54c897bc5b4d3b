"""The Optuna study of a search: created or opened, and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_nas.architecture import Option
from lightning_nas.errors import StudyError
from lightning_nas.search.trials.giving_up import ERROR as ERROR
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox import choices_of


@dataclass(frozen=True)
class Objective:
    """What a search optimises: the name of something that the evaluator measures, and which way is better."""

    name: str
    larger_is_better: bool = True

    @property
    def direction(self) -> StudyDirection:
        """In Optuna's terms."""
        return StudyDirection.MAXIMIZE if self.larger_is_better else StudyDirection.MINIMIZE


def open_study(
    storage: optuna.storages.BaseStorage | None,
    name: str,
    space: SearchSpace,
    objectives: Sequence[Objective],
    sampler: optuna.samplers.BaseSampler,
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """Creates a study, or opens it where it exists.

    Raises:
        StudyError: If the study is of another space or has other objectives, or pruning is asked for several objectives.
    """
    if pruner is not None and len(objectives) > 1:
        raise StudyError(f"pruner = {type(pruner).__name__}: trials of several objectives cannot be pruned; use null")
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        directions=[objective.direction for objective in objectives],
        sampler=sampler,
        pruner=pruner or optuna.pruners.NopPruner(),
    )
    wanted = {"space": {"name": space.name, **space.args}, "objectives": [objective.name for objective in objectives]}
    for key, value in json.loads(json.dumps(wanted)).items():
        known = study.user_attrs.get(key)
        if known is None:
            study.set_user_attr(key, value)
        elif known != value:
            raise StudyError(f"study {name!r} has {key} {known}, but this search has {value}: take another study name")
    if study.directions != [objective.direction for objective in objectives]:
        raise StudyError(f"study {name!r} has directions {study.directions}: take another study name")
    return study


def decided_choices(trial: FrozenTrial, space: SearchSpace) -> dict[str, Option] | None:
    """The architecture of a trial; None if it has not decided everything yet."""
    try:
        return choices_of(trial, space)
    except ValueError:
        return None


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The best trial; of a Pareto front the one that is best in the first objective.

    Raises:
        StudyError: If no trial has been completed.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        raise StudyError(f"no trial of study {study.study_name!r} has been completed")
    sign = -1.0 if study.directions[0] is StudyDirection.MINIMIZE else 1.0
    return max(study.best_trials, key=lambda trial: (sign * trial.values[0], -trial.number))
