"""Searches without training: architectures are asked of a sampler and told a value that follows from their choices."""

import random

import optuna

from lightning_nas.strategies.blackbox.parameters import suggest


def value_of(choices):
    """Between 0 and 1, different for most architectures of any space."""
    return random.Random(str(sorted(choices.items()))).random()


def run(sampler, trials, study=None, value=value_of):
    """Adds trials to a study, a new one if None; gives it and what the sampler proposed."""
    study = study or optuna.create_study(direction="maximize")
    study.sampler = sampler
    proposed = []
    for _ in range(trials):
        trial = study.ask()
        proposed.append(suggest(trial, sampler.space))
        study.tell(trial, value(proposed[-1]))
    return study, proposed


def first_difference(sampler, expected):
    """The first trial in which a sampler proposes something else than was proposed before; None if there is none."""
    study = None
    for number, choices in enumerate(expected):
        study, proposed = run(sampler, 1, study)
        if proposed != [choices]:
            return number
    return None
