"""Decisions of a search space as parameters of an Optuna trial, and back.

One decision is one categorical parameter. Optuna wants the options of a parameter to stay the same, so a decision whose
options depend on the choices before it has one parameter for each set of options: ``"op"`` where it has all of them, else
``"op | sep_conv_3x3,skip_connect"``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import optuna

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import SearchSpace

SEPARATOR = " | "
_LONGEST = 200  # characters of a parameter's name; a storage on SQL takes 512


def parameter_name(space: SearchSpace, decision: str, options: Sequence[Option]) -> str:
    """The name of a decision's parameter where it has these options."""
    if list(options) == list(space.all_options(decision)):
        return decision
    name = f"{decision}{SEPARATOR}{','.join(map(str, options))}"
    if len(name) <= _LONGEST:
        return name
    return f"{decision}{SEPARATOR}{len(options)} options {hashlib.sha256(name.encode()).hexdigest()[:12]}"


def decision_of(parameter: str) -> str:
    """The decision that a parameter takes."""
    return parameter.partition(SEPARATOR)[0]


def suggest(trial: optuna.trial.BaseTrial, space: SearchSpace) -> dict[str, Option]:
    """Asks a trial for every decision of a space, in order; those without options are skipped."""
    choices: dict[str, Option] = {}
    for decision in space.decisions:
        options = list(space.options(decision, choices))
        if options:
            option = trial.suggest_categorical(parameter_name(space, decision, options), options)
            assert isinstance(option, str | int)
            choices[decision] = option
    return choices


def parameters_of(choices: Choices, space: SearchSpace) -> dict[str, Option]:
    """The parameters of a trial that takes these choices, e.g. for ``study.enqueue_trial``.

    Raises:
        ArchitectureError: If the choices do not belong to the space.
    """
    space.validate(choices)
    return {
        parameter_name(space, decision, list(space.options(decision, choices))): choices[decision]
        for decision in space.decisions
        if decision in choices
    }


def choices_of(trial: optuna.trial.FrozenTrial, space: SearchSpace) -> dict[str, Option]:
    """The architecture of a trial.

    Raises:
        ArchitectureError: If the trial has not decided everything, or is of another space.
    """
    taken = {decision_of(name): value for name, value in trial.params.items()}
    try:
        space.validate(taken)
    except ArchitectureError as error:
        raise ArchitectureError(f"trial {trial.number}: {error}") from None
    return {decision: taken[decision] for decision in space.decisions if decision in taken}
