"""Searches by BANANAS and Bayesian optimisation."""

import functools
import random
import statistics
from dataclasses import dataclass
from typing import ClassVar

import optuna
import pytest

from lightning_nas.spaces import NasBench201, SearchSpace
from lightning_nas.strategies.blackbox.bananas import Bananas
from lightning_nas.strategies.blackbox.bayesian_optimization import BayesianOptimization
from lightning_nas.strategies.blackbox.parameters import choices_of, suggest
from lightning_nas.strategies.blackbox.random_search import RandomSearch

SPACE = NasBench201()
TINY = NasBench201(nodes=3, ops=("none", "skip_connect", "nor_conv_3x3"))  # 27 architectures
QUICK = {"members": 2, "layers": 2, "width": 8, "epochs": 20}


@dataclass(frozen=True)
class Growing(SearchSpace):
    """Up to four letters: how many decisions there are follows from the first."""

    name: ClassVar[str] = "test_bananas_growing"

    @property
    def decisions(self):
        return ("length", "d0", "d1", "d2", "d3")

    def options(self, name, choices):
        if name == "length":
            return [1, 2, 3, 4]
        return ["a", "b", "c"] if int(name[1]) < choices.get("length", 4) else []

    def network(self, choices, *, inputs=None):
        raise NotImplementedError

    def supernet(self, *, inputs=None, generator=None):
        raise NotImplementedError

    def decode(self, logits):
        raise NotImplementedError


def score(choices):
    """In per cent: 3x3 convolutions are good, more so near the output, and one skip connection is better than none."""
    ops = list(choices.values())
    good = sum((index + 1) ** 0.5 for index, op in enumerate(ops) if op == "nor_conv_3x3")
    return 50.0 + 3.0 * good + 2.0 * (ops[len(ops) // 2] == "skip_connect")


def search(sampler, count, space=SPACE, value=score, study=None):
    study = study or optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, value(suggest(trial, space)))
    return study


def architectures(study, space=SPACE):
    return [choices_of(trial, space) for trial in study.trials]


STRATEGIES = {
    "bananas": lambda space=SPACE, **more: Bananas(space, **{**QUICK, "initial": 4, "batch": 5, **more}),
    "gaussian_process": lambda space=SPACE, **more: BayesianOptimization(
        space, **{"initial": 4, "mutants": 60, "random_candidates": 60, **more}
    ),
}
both = pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)


@both
def test_a_restarted_study_goes_on_as_if_nothing_had_happened(make):
    whole = architectures(search(make(seed=3), 19))
    for stop in (2, 7, 9, 13):
        study = search(make(seed=3), stop)
        study.sampler = make(seed=3)
        assert architectures(search(None, 19 - stop, study=study)) == whole
    assert architectures(search(make(seed=4), 19)) != whole


@both
@pytest.mark.parametrize("space", [TINY, SPACE], ids=["27", "15625"])
def test_nothing_is_asked_twice_while_there_is_something_new(make, space):
    count = 27 if space is TINY else 40
    found = architectures(search(make(space, seed=1, isomorphic=False), count, space), space)
    assert len({tuple(choices.items()) for choices in found}) == count


@both
def test_it_goes_on_when_everything_has_been_asked(make):
    assert len(search(make(TINY), 32, TINY).trials) == 32


@both
def test_cells_of_the_same_function_count_as_one(make):
    def forms(isomorphic):
        found = architectures(search(make(isomorphic=isomorphic, random_candidates=0), 40))
        return len({SPACE.canonical(choices) for choices in found})

    assert forms(True) == 40
    assert forms(False) < 40


@both
def test_workers_do_not_ask_what_another_one_is_evaluating(make):
    study = search(make(seed=0), 9)
    asked = [tuple(suggest(study.ask(), SPACE).items()) for _ in range(12)]
    before = {tuple(choices_of(trial, SPACE).items()) for trial in study.trials[:9]}
    assert len(set(asked)) == 12
    assert not before & set(asked)


def test_all_workers_work_through_one_round():
    study = search(Bananas(SPACE, **QUICK, initial=4, batch=5), 9)
    ranked = Bananas(SPACE, **QUICK, initial=4, batch=5)
    ranked._catch_up(study.trials, 1.0)
    expected = ranked.rank(9)[:4]
    for choices in expected[:2]:
        trial = study.ask()
        assert suggest(trial, SPACE) == choices
    study.sampler = Bananas(SPACE, **QUICK, initial=4, batch=5)  # another process
    for choices in expected[2:]:
        assert suggest(study.ask(), SPACE) == choices


def test_a_round_follows_from_the_trials_before_it_alone():
    for batch, rounds in ((1, 6), (3, 2), (6, 1)):
        sampler = Bananas(SPACE, **QUICK, initial=4, batch=batch)
        begun = []
        rank = sampler.rank
        sampler.rank = lambda begin, rank=rank, begun=begun: begun.append(begin) or rank(begin)
        search(sampler, 10)
        assert begun == [4 + batch * index for index in range(rounds)]


@both
def test_it_asks_what_the_predictor_finds_best(make):
    """With the mean as the score, nearly everything asked after the start beats the average of random ones."""
    average = statistics.fmean(score(SPACE.sample(random.Random(seed))) for seed in range(500))
    found = [trial.value for trial in search(make(seed=0, acquisition="ucb", beta=0.0, initial=20), 50).trials]
    assert statistics.fmean(found[30:]) > average + 5


@both
@pytest.mark.parametrize("space", [SPACE, Growing()], ids=["nasbench201", "growing"])
def test_it_is_better_than_random_search(make, space):
    def value(choices):
        return score(choices) if space is SPACE else 10.0 * list(choices.values()).count("a") - len(choices)

    def best(sampler):
        return search(sampler, 45, space, value).best_value

    ours = [best(make(space, seed=seed, initial=10)) for seed in range(4)]
    theirs = [best(RandomSearch(space, seed=seed)) for seed in range(4)]
    assert statistics.fmean(ours) >= statistics.fmean(theirs)
    assert max(ours) == (50 + 3 * sum(i**0.5 for i in (1, 2, 3, 5, 6)) + 3 * 4**0.5 if space is SPACE else 35.0)


@both
def test_minimising_is_maximising_the_negative(make):
    study = optuna.create_study(direction="minimize", sampler=make(seed=2))
    down = architectures(search(None, 15, value=lambda choices: -score(choices), study=study))
    assert down == architectures(search(make(seed=2), 15))


CHANGES = {
    "bananas": [
        {"initial": 6}, {"batch": 2}, {"encoding": "one_hot"}, {"bits": 5}, {"parents": 1}, {"mutants": 5},
        {"random_candidates": 5}, {"acquisition": "ei"}, {"acquisition": "ucb"}, {"bound": 200.0}, {"members": 3},
        {"layers": 3}, {"width": 4}, {"lr": 0.1}, {"epochs": 3}, {"batch_size": 3}, {"seed": 1},
    ],
    "gaussian_process": [
        {"initial": 6}, {"encoding": "path"}, {"encoding": "path", "bits": 5}, {"parents": 1}, {"mutants": 5},
        {"random_candidates": 5}, {"acquisition": "its"}, {"acquisition": "ucb"}, {"weight": 3.0}, {"noise": 0.3},
        {"spread": 0.1}, {"seed": 1},
    ],
}  # fmt: skip


@functools.cache
def asked_as_usual(name):
    return architectures(search(STRATEGIES[name](), 30))


@pytest.mark.parametrize(("name", "change"), [(name, change) for name in CHANGES for change in CHANGES[name]])
def test_every_argument_changes_what_is_asked(name, change):
    study = optuna.create_study(direction="maximize", sampler=STRATEGIES[name](**change))
    assert any(architectures(search(None, 1, study=study))[-1] != usual for usual in asked_as_usual(name))


@both
def test_beta_changes_what_is_asked(make):
    studies = [
        optuna.create_study(direction="maximize", sampler=make(acquisition="ucb", beta=beta)) for beta in (0.0, 3.0)
    ]
    assert any(len({str(architectures(search(None, 1, study=study))[-1]) for study in studies}) > 1 for _ in range(30))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial": 0}, "initial must be at least"),
        ({"parents": 0}, "parents must be at least 1, got 0"),
        ({"mutants": -1}, "mutants must be at least 0, got -1"),
        ({"random_candidates": -1}, "random_candidates must be at least 0, got -1"),
        ({"mutants": 0, "random_candidates": 0}, r"mutants \+ random_candidates must be at least 1, got 0"),
        ({"acquisition": "greedy"}, r"acquisition must be one of \['its', 'ei', 'ucb'\], got 'greedy'"),
        ({"encoding": "graph"}, "encoding must be one of"),
        ({"bits": 0}, "bits must be at least 1, got 0"),
    ],
)
@both
def test_bad_arguments_are_named(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"members": 0}, "members must be at least 1, got 0"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_bad_arguments_of_the_networks_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        STRATEGIES["bananas"](**arguments)


def test_a_bound_that_a_value_exceeds_is_refused():
    with pytest.raises(ValueError, match=r"bound must exceed every value, got 55\.0 and a value of"):
        search(STRATEGIES["bananas"](bound=55.0), 10)
