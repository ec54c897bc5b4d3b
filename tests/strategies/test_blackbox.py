"""Samplers of whole architectures: parameters of trials, evolution, local search, random search."""

import random
from collections import Counter, deque

import optuna
import pytest

from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import Darts, NasBench201, NasFpn
from lightning_nas.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from lightning_nas.strategies.blackbox import choices_of, parameters_of, suggest
from lightning_nas.strategies.blackbox.parameters import decision_of, parameter_name

SPACE = NasBench201()
SMALL = NasBench201(nodes=3)  # 125 architectures
DEPENDENT = NasFpn(channels=4, cells=4, repeats=1, min_level=3, max_level=5)


def score(choices):
    """Counts 3x3 convolutions, with a bonus that depends on the place."""
    return sum((index + 1) ** 0.5 for index, op in enumerate(choices.values()) if op == "nor_conv_3x3")


def search(sampler, count, space=SPACE, value=score, study=None):
    study = study or optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, value(suggest(trial, space)))
    return study


def architectures(study, space=SPACE):
    return [choices_of(trial, space) for trial in study.trials]


# ---- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [SPACE, DEPENDENT, Darts()], ids=["nasbench201", "nas_fpn", "darts"])
def test_choices_survive_a_trial(space):
    study = optuna.create_study()
    for seed in range(20):
        choices = space.sample(random.Random(seed))
        study.enqueue_trial(parameters_of(choices, space))
        trial = study.ask()
        assert suggest(trial, space) == choices
        study.tell(trial, 0.0)
        assert choices_of(study.trials[-1], space) == choices


def test_a_decision_has_one_parameter_for_each_set_of_options():
    names = {parameter_name(DEPENDENT, "cell0.b", options) for options in ([1, 2], [0, 2], [0, 1])}
    assert len(names) == 3
    assert {decision_of(name) for name in names} == {"cell0.b"}
    assert parameter_name(SPACE, "cell.1.0", list(SPACE.ops)) == "cell.1.0"
    long = [f"option_{index}" for index in range(100)]
    assert len(parameter_name(SPACE, "cell.1.0", long)) < 200
    assert parameter_name(SPACE, "cell.1.0", long) != parameter_name(SPACE, "cell.1.0", long[:-1])


def test_optunas_own_samplers_search_a_dependent_space():
    for sampler in (optuna.samplers.TPESampler(seed=0), optuna.samplers.NSGAIISampler(seed=0)):
        study = search(sampler, 30, DEPENDENT, lambda choices: len(set(choices.values())))
        assert len(architectures(study, DEPENDENT)) == 30


def test_a_trial_of_another_space_is_refused():
    study = search(RandomSearch(SMALL), 1, SMALL)
    with pytest.raises(ArchitectureError, match="trial 0"):
        choices_of(study.trials[0], SPACE)


# ---- what all samplers share ----------------------------------------------------------------------------------------

SAMPLERS = {
    "random": lambda seed: RandomSearch(SPACE, seed=seed),
    "evolution": lambda seed: RegularizedEvolution(SPACE, population=8, tournament=3, seed=seed),
    "local_search": lambda seed: LocalSearch(SPACE, initial=4, seed=seed),
}


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_several_objectives_are_refused(make):
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make(0))
    with pytest.raises(ValueError, match="NSGA-II"):
        study.ask()


def test_running_trials_are_not_proposed_again():
    study = optuna.create_study(direction="maximize", sampler=RandomSearch(SMALL))
    running = [suggest(study.ask(), SMALL) for _ in range(125)]
    assert len({tuple(choices.items()) for choices in running}) > 120  # 50 draws for each of the last ones


def test_brackets_of_hyperband_draw_different_architectures():
    """Optuna shows a sampler the trials of one bracket only."""
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    sampler = RegularizedEvolution(SPACE, population=8, tournament=3, identity=0.0)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    for _ in range(12):
        trial = study.ask()
        choices = suggest(trial, SPACE)
        trial.report(score(choices), 1)
        trial.should_prune()
        study.tell(trial, score(choices))
    assert len({tuple(choices.items()) for choices in architectures(study)}) == 12


# ---- random search --------------------------------------------------------------------------------------------------


def test_random_search_draws_uniformly_and_nothing_twice():
    found = architectures(search(RandomSearch(SPACE), 600))
    assert len({tuple(choices.items()) for choices in found}) == 600
    counts = Counter(choices[name] for choices in found for name in SPACE.decisions)
    assert all(abs(counts[op] - 720) < 4 * (3600 * 0.2 * 0.8) ** 0.5 for op in SPACE.ops)


def test_isomorphic_architectures_count_as_one_if_asked():
    functions = {}
    for isomorphic in (False, True):
        found = architectures(search(RandomSearch(SMALL, isomorphic=isomorphic), 45, SMALL), SMALL)
        functions[isomorphic] = len({SMALL.canonical(choices) for choices in found})
    assert functions[True] == 45
    assert functions[False] < 45


# ---- regularised evolution ------------------------------------------------------------------------------------------


def test_evolution_is_the_published_algorithm():
    """An independent run of algorithm 1 on what the sampler has evaluated: parents are winners, the oldest dies."""
    study = search(RegularizedEvolution(SPACE, population=10, tournament=4, identity=0.0, seed=3), 120)
    population = deque(maxlen=10)
    for index, choices in enumerate(architectures(study)):
        if index >= 10:
            assert len(population) == 10
            parents = [known for known in population if differences(known, choices) == 1]
            assert parents, "no member of the population has this child"
        population.append(choices)


def test_the_tournament_presses():
    """With a tournament as large as 200 draws the parent is the best member; with one draw it is any."""
    best = {}
    for tournament in (1, 200):
        study = search(RegularizedEvolution(SPACE, population=10, tournament=tournament, identity=0.0, seed=3), 60)
        found = architectures(study)
        hits = 0
        for index in range(10, 60):
            alive = found[index - 10 : index]
            top = max(map(score, alive))
            hits += any(differences(known, found[index]) == 1 for known in alive if score(known) == top)
        best[tournament] = hits
    assert best[200] == 50
    assert best[1] < 40


def test_identity_mutation_repeats_the_parent():
    repeats = {}
    for identity in (0.0, 0.5):
        found = architectures(search(RegularizedEvolution(SPACE, population=5, tournament=2, identity=identity), 200))
        repeats[identity] = sum(choice in found[max(0, i - 5) : i] for i, choice in enumerate(found) if i >= 5)
    assert repeats[0.5] > 70
    assert repeats[0.0] < repeats[0.5] / 2


def differences(first, second):
    return sum(first[name] != second[name] for name in first)


# ---- local search ---------------------------------------------------------------------------------------------------


def test_local_search_climbs_from_the_best_start():
    study = search(LocalSearch(SPACE, initial=5, seed=2), 6)
    found = architectures(study)
    start = max(found[:5], key=score)
    assert differences(start, found[5]) == 1


@pytest.mark.parametrize("first_improvement", [True, False])
def test_local_search_ends_on_a_peak_and_starts_anew(first_improvement):
    sampler = LocalSearch(SMALL, initial=2, first_improvement=first_improvement, seed=0)
    found = architectures(search(sampler, 60, SMALL), SMALL)
    assert max(map(score, found)) == score(dict.fromkeys(SMALL.decisions, "nor_conv_3x3"))
    assert len({tuple(choices.items()) for choices in found}) == 60


def test_the_first_improvement_moves_earlier_than_the_best_one():
    moves = {}
    for first in (True, False):
        sampler = LocalSearch(SPACE, initial=1, first_improvement=first, seed=0)
        study = search(sampler, 1)
        start = architectures(study)[0]
        found = architectures(search(None, 24, study=study))
        moves[first] = next((i for i, choices in enumerate(found[1:], 1) if differences(start, choices) > 1), 25)
    assert moves[True] < moves[False] == 25


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RegularizedEvolution(SPACE, population=0), "population must be at least 1, got 0"),
        (lambda: RegularizedEvolution(SPACE, tournament=0), "tournament"),
        (lambda: RegularizedEvolution(SPACE, identity=1.0), "identity"),
        (lambda: LocalSearch(SPACE, initial=0), "initial must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
