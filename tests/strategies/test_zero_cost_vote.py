"""The majority of scores in every pair."""

import math

import pytest

from lightning_nas.strategies.zero_cost import VOTERS, vote


def test_a_table_by_hand():
    table = {
        "synflow": [9, 1, 5, 7],
        "jacob_cov": [1, 2, 4, 3],
        "snip": [8, 9, 3, 7],
        "params": [100, 100, 0, 0],  # does not vote
    }
    # a-b: + - - | a-c: + - + | a-d: + - + | b-c: - - + | b-d: - - + | c-d: - + -
    assert vote(table) == [2, 1, 1, 2]
    assert VOTERS == ("synflow", "jacob_cov", "snip")


def test_one_voter_ranks_as_it_does_alone():
    assert vote({"snip": [3.0, -1.0, 2.0]}, ["snip"]) == [2, 0, 1]


def test_draws_count_half_and_so_do_circles_count_evenly():
    assert vote({"a": [1, 2], "b": [2, 1]}, ["a", "b"]) == [0.5, 0.5]
    assert vote({"a": [1, 1, 0]}, ["a"]) == [1.5, 1.5, 0]
    assert vote({"synflow": [3, 2, 1], "jacob_cov": [1, 3, 2], "snip": [2, 1, 3]}) == [1, 1, 1]


def test_what_is_not_finite_keeps_its_order():
    assert vote({"a": [0.0, -math.inf, math.inf, 1e300]}, ["a"]) == [1, 0, 3, 2]
    assert vote({"a": [math.nan, -math.inf, -1.0]}, ["a"]) == [0.5, 0.5, 2]


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"voters = \['synflow', 'jacob_cov', 'snip'\]: expected some of .*\['a'\]"):
        vote({"a": [1]})
    with pytest.raises(ValueError, match="voters = "):
        vote({"a": [1]}, [])
    with pytest.raises(ValueError, match=r"as many values of every score, got {'a': 1, 'b': 2}"):
        vote({"a": [1], "b": [1, 2]}, ["a", "b"])
