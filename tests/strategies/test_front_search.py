"""The search for a front: knows no training."""

import itertools
import random

import pytest

from lightning_nas.errors import ArchitectureError, NasError
from lightning_nas.spaces import Chain, NasBench201
from lightning_nas.strategies.paths import FrontSearch, Measured
from lightning_nas.strategies.paths.front import every_network
from lightning_nas.strategies.paths.pareto import knee, pareto_front, thinned

SMALL = Chain(widths=(8, 16), depths=(2, 2), strides=(2, 2), ops=("mbconv_k3_e3", "mbconv_k5_e6"), min_depth=1)
LARGE = Chain(ops=("mbconv_k3_e3", "mbconv_k5_e3", "mbconv_k7_e6"), widths=(8,) * 6, depths=(3,) * 6)


def costs(choices):
    return {"macs": float(sum(len(str(option)) + int(str(option)[-1]) for option in choices.values()))}


def value(choices):
    """Grows with size; the seventh part of a network is worth more than it costs."""
    return sum(
        {"e3": 1.0, "e6": 1.8}.get(str(o)[-2:], 0.2) * (1 + (i % 7 == 0)) for i, o in enumerate(choices.values())
    )


def search(space=LARGE, limit=None, **arguments):
    settings = {"initial": 12, "rounds": 2, "per_round": 5, "population": 12, "generations": 5, **arguments}
    limits = {"macs": limit}
    keeps = lambda cost: limit is None or cost["macs"] <= limit  # noqa: E731
    return FrontSearch(space, costs, keeps, cost="macs", limits=limits, **settings)


def play(front, most=None):
    for choices, number in itertools.islice(front.waiting(), most):
        front.tell(Measured(choices, value(choices), front.costs(choices), number))
    return front


def test_a_small_space_is_measured_as_a_whole():
    front = play(search(SMALL))
    assert front.all
    assert len(front.history) == front.total == SMALL.size() == len(list(every_network(SMALL)))
    best = pareto_front([(value(c), costs(c)["macs"]) for c in every_network(SMALL)])
    networks = list(every_network(SMALL))
    points = {(value(networks[i]), costs(networks[i])["macs"]) for i in best}
    assert {(one.value, one.costs["macs"]) for one in front.front()} == points


def test_a_large_one_is_searched_in_rounds_and_no_network_is_asked_twice():
    front = play(search())
    asked = [tuple(one.choices.items()) for one in front.history]
    assert len(asked) == len(set(asked)) <= front.total
    assert [one.round for one in front.history] == sorted(one.round for one in front.history)
    assert front.history[0].choices == LARGE.smallest()
    assert front.history[1].choices == LARGE.largest()


def test_predictions_find_better_networks_than_as_many_random_ones():
    guided = play(search(initial=30, rounds=3, per_round=10, generations=10))
    rng = random.Random(5)
    drawn = [LARGE.sample(rng) for _ in range(len(guided.history))]
    points = [(one.value, one.costs["macs"]) for one in guided.front()]

    def beaten(choices):
        return any(v >= value(choices) and c <= costs(choices)["macs"] for v, c in points)

    assert sum(beaten(choices) for choices in drawn) / len(drawn) > 0.9


def test_an_interrupted_search_asks_what_it_would_have_asked():
    whole = play(search())
    for told in (3, 12, 14):
        again = search()
        for one in whole.history[:told]:
            again.tell(one)
        assert play(again).history == whole.history


def test_what_is_asked_depends_on_every_argument():
    reference = play(search()).history
    for changed in (
        {"initial": 8}, {"rounds": 1}, {"per_round": 2}, {"population": 6}, {"generations": 1}, {"seed": 1}, {"limit": 300},
    ):  # fmt: skip
        assert play(search(**changed)).history != reference, changed


def test_limits_hold_for_all_that_is_measured():
    sizes = sorted(costs(LARGE.sample(random.Random(i)))["macs"] for i in range(50))
    front = play(search(limit=sizes[10]))
    assert len(front.history) > 10
    assert all(one.costs["macs"] <= sizes[10] for one in front.history)


@pytest.mark.parametrize("space", [SMALL, LARGE, NasBench201(ops=("none", "skip_connect"))])
def test_a_limit_that_nothing_keeps_is_refused_with_what_there_is(space):
    with pytest.raises(NasError, match=r"max_macs = 0.001: none of .* keeps all limits; the least of each is macs = "):
        FrontSearch(space, lambda choices: {"macs": 1.0}, lambda cost: False, cost="macs", limits={"macs": 0.001})


def test_networks_without_a_finite_metric_are_on_no_front():
    front = search(SMALL)
    for choices, number in front.waiting():
        failed = choices == SMALL.largest()
        front.tell(Measured(choices, float("-inf") if failed else value(choices), front.costs(choices), number))
    assert SMALL.largest() not in [one.choices for one in front.front()]
    empty = search(SMALL)
    with pytest.raises(NasError, match="finite"):
        empty.front()


def test_a_network_of_another_space_is_not_taken():
    front = search(SMALL)
    with pytest.raises(ArchitectureError):
        front.tell(Measured(LARGE.largest(), 1.0, {"macs": 1.0}))
    with pytest.raises(ArchitectureError, match="costs must hold"):
        front.tell(Measured(SMALL.largest(), 1.0, {"params": 1.0}))


def test_a_front_is_thinned_evenly_between_its_ends():
    points = [(float(i), float(i * i)) for i in range(10)]
    assert thinned(points, 20) == list(range(10))
    assert thinned(points, 3) == [0, 6, 9]
    assert thinned(points, 1) == [9]
    assert thinned([(1.0, 1.0), (1.0, 1.0), (2.0, 3.0)], 5) == [0, 2]


def test_the_knee_is_where_more_cost_gains_little():
    assert knee([(0.0, 0.0), (0.9, 1.0), (1.0, 10.0)]) == 1
    assert knee([(0.5, 1.0)]) == 0
    assert knee([(0.5, 1.0), (0.6, 2.0)]) == 1
