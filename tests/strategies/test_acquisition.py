"""What is acquired: expected improvement, confidence bound, Thompson draws, and the candidates for it."""

import random

import numpy as np
import pytest

from lightning_nas.spaces import NasBench201
from lightning_nas.strategies.blackbox.acquisition import acquire
from lightning_nas.strategies.blackbox.base import Told
from lightning_nas.strategies.blackbox.candidates import best_of, draw_candidates

SPACE = NasBench201()


# ---- acquisition ----------------------------------------------------------------------------------------------------

MEAN, DEVIATION = np.array([1.0, 0.9, 0.0, 1.1]), np.array([0.1, 1.0, 0.5, 0.0])


def test_expected_improvement_is_the_mean_gain_over_the_best():
    found = acquire("ei", MEAN, DEVIATION, best=1.0, beta=1.0, rng=random.Random(0))
    draws = MEAN[:, None] + DEVIATION[:, None] * np.random.default_rng(0).standard_normal((4, 400_000))
    np.testing.assert_allclose(found, np.maximum(draws - 1.0, 0).mean(axis=1), atol=3e-3)
    assert found[3] == pytest.approx(0.1)
    assert np.argmax(found) == 1


def test_upper_confidence_bound_trades_the_mean_for_the_deviation():
    for beta, expected in ((0.0, 3), (0.5, 1)):
        found = acquire("ucb", MEAN, DEVIATION, best=1.0, beta=beta, rng=random.Random(0))
        np.testing.assert_allclose(found, MEAN + beta * DEVIATION)
        assert np.argmax(found) == expected


def test_thompson_draws_are_independent_and_as_wide_as_the_prediction():
    rng = random.Random(0)
    draws = np.stack([acquire("its", MEAN, DEVIATION, best=1.0, beta=1.0, rng=rng) for _ in range(4000)])
    np.testing.assert_allclose(draws.mean(axis=0), MEAN, atol=0.06)
    np.testing.assert_allclose(draws.std(axis=0), DEVIATION, atol=0.04)
    assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < 0.06


# ---- candidates -----------------------------------------------------------------------------------------------------


def test_candidates_are_one_mutation_from_a_parent_or_random_and_new():
    parents = [SPACE.sample(random.Random(seed)) for seed in range(2)]

    def key(choices):
        return tuple(choices.items())

    def draw(mutants, random_ones, known=frozenset()):
        return draw_candidates(
            SPACE, parents, mutants=mutants, random_ones=random_ones, known=known, key=key, rng=random.Random(0)
        )

    near = draw(60, 0)
    distance = [[sum(a[name] != b[name] for name in a) for b in parents] for a in near]
    assert all(1 in pair for pair in distance)
    assert {pair.index(1) for pair in distance} == {0, 1}
    assert len({key(choices) for choices in near}) == len(near)
    far = draw(0, 60)
    assert max(min(sum(a[n] != b[n] for n in a) for b in parents) for a in far) > 3
    known = {key(choices) for choices in near[:10]}
    assert [key(choices) for choices in draw(60, 0, known)] == [key(choices) for choices in near[10:]]


def test_the_best_come_first_and_of_equal_ones_the_older():
    told = [Told({"d": index}, value) for index, value in enumerate([1.0, 3.0, 2.0, 3.0])]
    assert [one.choices["d"] for one in best_of(told, 3)] == [1, 3, 2]
