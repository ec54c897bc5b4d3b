"""The loader that pairs the batches of both halves, and goes on from any place."""

import pytest

from lightning_nas.search.data.halves import Halves


def test_a_group_comes_with_its_first_batch():
    halves = Halves("abcdefg", "ABCDEFG", accumulated=lambda: 3)
    batches = list(halves)
    assert [batch["weights"] for batch in batches] == list("abcdefg")
    assert [len(batch["group"]) for batch in batches] == [3, 0, 0, 3, 0, 0, 1]
    assert batches[3]["group"] == [
        {"architecture": "D"},
        {"weights": "e", "architecture": "E"},
        {"weights": "f", "architecture": "F"},
    ]


def test_a_group_ends_where_the_epoch_is_ended():
    batches = list(Halves("abcdefg", "ABCDEFG", accumulated=lambda: 3, limit=lambda: 5))
    assert [len(batch["group"]) for batch in batches[:5]] == [3, 0, 0, 2, 0]


@pytest.mark.parametrize("accumulated", [1, 2, 3])
@pytest.mark.parametrize("place", range(7))
def test_it_goes_on_from_any_place(accumulated, place):
    halves = Halves("abcdefg", "ABC", mode="max_size_cycle", accumulated=lambda: accumulated)
    whole = list(halves)
    assert len(whole) == len(halves) == 7
    assert halves.state_dict() == {"batches": 0}
    passing = iter(halves)
    for _ in range(place):
        next(passing)
    resumed = Halves("abcdefg", "ABC", mode="max_size_cycle", accumulated=lambda: accumulated)
    resumed.load_state_dict(halves.state_dict())
    rest = list(resumed)
    assert [batch["weights"] for batch in rest] == [batch["weights"] for batch in whole[place:]]
    if place % accumulated == 0:
        assert rest == whole[place:]
    assert list(resumed) == whole


def test_a_half_without_a_batch_is_an_error():
    with pytest.raises(ValueError, match="the architecture half holds no batch"):
        Halves("ab", "")
