"""The constrained evolution: what it asks, what it never asks, and that it is worth its rounds."""

import random
from dataclasses import dataclass
from typing import ClassVar

import pytest

from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import Chain, SearchSpace
from lightning_nas.strategies import Evolution, SinglePath
from lightning_nas.strategies.paths.evolution import replay

TARGET = [3, 1, 2, 0, 2, 2, 1, 3, 0, 1]


@dataclass(frozen=True)
class Digits(SearchSpace):
    """Ten decisions of four options: over a million architectures, no networks."""

    name: ClassVar[str] = "test_evolution_digits"

    @property
    def decisions(self):
        return tuple(f"d{i}" for i in range(10))

    def options(self, name, choices):
        return [0, 1, 2, 3]

    def network(self, choices, *, inputs=None):
        raise NotImplementedError

    def supernet(self, *, inputs=None, generator=None):
        raise NotImplementedError

    def decode(self, logits):
        raise NotImplementedError


def fitness(choices):
    return sum(choices[f"d{i}"] == value for i, value in enumerate(TARGET))


def total(choices):
    return sum(choices.values())


def finished(**arguments):
    evolution = Evolution(
        Digits(), **{"population": 10, "rounds": 6, "parents": 4, "mutants": 4, "crossovers": 4, **arguments}
    )
    while not evolution.done:
        choices = evolution.ask()
        evolution.tell(choices, fitness(choices))
    return evolution


def test_candidates_are_feasible_and_never_repeat():
    history = finished(feasible=lambda choices: total(choices) <= 14).history
    assert len(history) == 60
    assert all(total(choices) <= 14 for choices, _ in history)
    assert len({tuple(choices.items()) for choices, _ in history}) == 60


def test_it_beats_as_many_random_draws():
    gains = []
    for seed in range(5):
        rng = random.Random(100 + seed)
        drawn = max(fitness(Digits().sample(rng)) for _ in range(200))
        found = finished(population=20, rounds=10, mutants=8, crossovers=8, seed=seed).best()[1]
        gains.append(found - drawn)
    assert min(gains) >= 0
    assert sum(gains) / 5 >= 1.5


def test_parents_are_the_best_of_all_rounds():
    evolution = finished(rounds=2, mutants=10, crossovers=0, mutation_probability=0.1, parents=1)
    (best, _) = max(evolution.history[:10], key=lambda item: item[1])
    changed = [sum(best[name] != choices[name] for name in best) for choices, _ in evolution.history[10:]]
    assert sum(changed) / len(changed) < 3  # one decision in ten is drawn anew; strangers differ in 7.5


def test_told_the_same_it_asks_the_same():
    whole = finished(seed=3).history
    again = Evolution(Digits(), population=10, rounds=6, parents=4, mutants=4, crossovers=4, seed=3)
    replay(again, whole[:25])
    for choices, value in whole[25:]:
        assert again.ask() == choices
        again.tell(choices, value)
    assert again.done


def test_a_history_of_another_search_is_refused():
    again = Evolution(Digits(), population=10, rounds=6, mutants=4, crossovers=4, seed=4)
    with pytest.raises(ArchitectureError, match="another search"):
        replay(again, finished(seed=3).history)


@pytest.mark.parametrize(
    "change",
    [{"population": 12}, {"parents": 1}, {"mutants": 1}, {"crossovers": 1}, {"mutation_probability": 0.9}, {"seed": 1}],
    ids=str,
)
def test_every_argument_changes_the_search(change):
    assert finished(**change).history != finished().history
    assert len(finished(rounds=2).history) == 20


def test_decisions_that_vanish_are_handled():
    space = Chain(widths=(8, 8), depths=(4, 4), strides=(2, 2), min_depth=1)
    evolution = Evolution(space, population=8, rounds=4, parents=3, mutants=4, crossovers=4, mutation_probability=0.5)
    while not evolution.done:
        choices = evolution.ask()
        space.validate(choices)
        evolution.tell(choices, float(len(choices)))


def test_a_small_space_is_exhausted_without_repeats():
    space = Chain(widths=(8,), depths=(1,), strides=(2,))
    evolution = Evolution(space, population=20, rounds=3, mutants=5, crossovers=5)
    while not evolution.done:
        evolution.tell(evolution.ask(), 0.0)
    assert len(evolution.history) == space.size() == 6


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="none of 500"):
        Evolution(Digits(), lambda choices: False)
    evolution = Evolution(Digits())
    with pytest.raises(ValueError, match="nan"):
        evolution.tell(evolution.ask(), float("nan"))
    with pytest.raises(ValueError, match="asked last"):
        evolution.tell({"d0": 1}, 1.0)
    with pytest.raises(ValueError, match="before the first"):
        evolution.best()
    with pytest.raises(ValueError, match="over"):
        finished().ask()
    with pytest.raises(ValueError, match=r"mutants \+ crossovers"):
        Evolution(Digits(), population=10)
    for wrong in ({"population": 0}, {"rounds": 0}, {"parents": 0}, {"mutation_probability": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Evolution(Digits(), **wrong)


def test_settings_constrain_multiply_adds():
    settings = SinglePath(population=10, rounds=2, mutants=4, crossovers=4, max_macs=15, min_macs=12)
    evolution = settings.evolution(Digits(), total)
    while not evolution.done:
        evolution.tell(evolution.ask(), 0.0)
    assert {12 <= total(choices) <= 15 for choices, _ in evolution.history} == {True}
    with pytest.raises(ValueError, match="min_macs"):
        SinglePath(max_macs=1.0, min_macs=2.0)
    with pytest.raises(ValueError, match="max_macs"):
        SinglePath(max_macs=0.0)
    with pytest.raises(ValueError, match="recalibration_batches"):
        SinglePath(recalibration_batches=0)
