"""Q-learning: the table by hand, the greedy choice, the schedule, and that it lives by the study alone."""

import functools
import random
import warnings

import pytest
from study_runs import run

from lightning_nas.spaces import Darts, NasBench201, NasFpn
from lightning_nas.strategies.blackbox.base import Told
from lightning_nas.strategies.blackbox.q_learning import PUBLISHED_SCHEDULE, QLearning

SPACE = NasBench201()
PAIR = NasBench201(nodes=3, ops=("none", "skip_connect"))  # three decisions of two options
GREEDY = {"epsilon": [[0.0, 1]], "models": None}


def tell(sampler, choices, value):
    told = Told(choices, value)
    sampler.history.append(told)
    sampler.observe(told)


def row_after(sampler, choices, decision):
    """The Q-values that an architecture met at a decision."""
    before = {name: choices[name] for name in sampler.space.decisions[: sampler.space.decisions.index(decision)]}
    return sampler.values(decision, before)


def test_one_replay_by_hand():
    choices = dict(zip(PAIR.decisions, ("none", "skip_connect", "none"), strict=True))
    sampler = QLearning(PAIR, alpha=0.1, replay=1, initial=0.5)
    tell(sampler, choices, 0.9)
    rows = [row_after(sampler, choices, name) for name in PAIR.decisions]
    last = 0.5 + 0.1 * (0.9 - 0.5)
    middle = 0.5 + 0.1 * (last - 0.5)  # backwards: the new value of the last decision is its target
    assert [row[choices[name]] for row, name in zip(rows, PAIR.decisions, strict=True)] == pytest.approx(
        [0.5 + 0.1 * (middle - 0.5), middle, last]
    )
    assert [
        row["skip_connect" if choices[name] == "none" else "none"]
        for row, name in zip(rows, PAIR.decisions, strict=True)
    ] == [0.5] * 3


def test_the_target_of_an_inner_decision_is_the_largest_q_that_it_leads_to():
    choices = dict(zip(PAIR.decisions, ("none", "none", "none"), strict=True))
    sampler = QLearning(PAIR, alpha=1.0, replay=1, initial=0.5)
    tell(sampler, choices, 0.2)  # below what was never tried
    rows = [row_after(sampler, choices, name)["none"] for name in PAIR.decisions]
    assert rows == [0.5, 0.5, 0.2]


def test_q_of_a_chain_with_a_constant_reward_converges_to_it():
    chain = NasBench201(ops=("skip_connect",))
    sampler = QLearning(chain, alpha=0.05)
    (choices,) = [chain.sample(random.Random(0))]
    for _ in range(20):
        tell(sampler, choices, 0.8)
    assert [row_after(sampler, choices, name)["skip_connect"] for name in chain.decisions] == pytest.approx(
        [0.8] * 6, abs=1e-3
    )


def test_epsilon_0_follows_the_argmax_and_1_does_not():
    best = SPACE.sample(random.Random(0))
    for epsilon, follows in ((0.0, True), (1.0, False)):
        sampler = QLearning(SPACE, epsilon=[[epsilon, 1]], models=None)
        for name in SPACE.decisions:
            row_after(sampler, best, name)[best[name]] = 0.6
        assert (
            {tuple(sampler.propose(random.Random(s)).items()) for s in range(20)} == {tuple(best.items())}
        ) is follows


def test_ties_are_broken_uniformly():
    sampler = QLearning(NasBench201(nodes=2), **GREEDY)
    sampler.values("cell.1.0", {})["none"] = 0.4
    drawn = [sampler.propose(random.Random(seed))["cell.1.0"] for seed in range(800)]
    assert "none" not in drawn
    for op in SPACE.ops[1:]:
        assert drawn.count(op) == pytest.approx(200, abs=4 * 12.3)  # 4 standard deviations


def test_the_schedule_counts_models_and_can_be_stretched():
    published = QLearning(SPACE, models=None)
    epsilons = [published.epsilon(model) for model in range(2700)]
    assert [(epsilon, epsilons.count(epsilon)) for epsilon, _ in PUBLISHED_SCHEDULE] == list(PUBLISHED_SCHEDULE)
    assert epsilons == sorted(epsilons, reverse=True)
    assert published.epsilon(2700) == published.epsilon(10**6) == 0.1
    short = QLearning(SPACE, models=270)
    assert [short.epsilon(model) for model in range(300)] == [epsilons[min(10 * model, 2699)] for model in range(300)]
    assert QLearning(SPACE, epsilon=[[0.5, 2], [0.25, 1]], models=6).epsilon(3) == 0.5
    assert QLearning(SPACE, epsilon=[[0.5, 2], [0.25, 1]], models=6).epsilon(4) == 0.25


def test_the_number_of_finished_trials_decides_epsilon():
    sampler = QLearning(NasBench201(nodes=2), epsilon=[[1.0, 60], [0.0, 1]], models=None, repeat=True)
    _, proposed = run(sampler, 80, value=lambda choices: float(choices["cell.1.0"] == "none"))
    assert len({choices["cell.1.0"] for choices in proposed[:60]}) == 5
    assert {choices["cell.1.0"] for choices in proposed[60:]} == {"none"}


def test_epsilon_greedy_proportions():
    sampler = QLearning(NasBench201(nodes=2), epsilon=[[0.5, 1]], models=None)
    sampler.values("cell.1.0", {})["none"] = 0.6
    drawn = [sampler.propose(random.Random(seed))["cell.1.0"] for seed in range(1000)]
    assert drawn.count("none") == pytest.approx(1000 * (0.5 + 0.5 / 5), abs=4 * 15.5)


@pytest.mark.parametrize("space", [NasFpn(cells=4, min_level=4, max_level=6), Darts()], ids=["nas_fpn", "darts"])
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_what_is_not_allowed_is_never_proposed(space, epsilon):
    sampler = QLearning(space, epsilon=[[epsilon, 1]], models=None, alpha=0.1)
    _, proposed = run(sampler, 40)
    for choices in proposed:
        space.validate(choices)


@pytest.mark.parametrize("space", [SPACE, NasFpn(cells=3, min_level=4, max_level=6)], ids=["nasbench201", "nas_fpn"])
def test_a_restarted_worker_proposes_what_the_uninterrupted_one_does(space):
    arguments = {"epsilon": [[1.0, 5], [0.2, 1]], "models": None, "alpha": 0.1, "seed": 5}
    _, whole = run(QLearning(space, **arguments), 30)
    study, first = run(QLearning(space, **arguments), 15)
    _, second = run(QLearning(space, **arguments), 15, study)
    assert first + second == whole


def test_rewards_of_another_size_than_q_raise_a_warning():
    choices = SPACE.sample(random.Random(0))
    with pytest.warns(UserWarning, match="a reward of 91 lies outside 0 to 1, but Q starts at 0.5: set reward_scale"):
        tell(QLearning(SPACE), choices, 91.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = QLearning(SPACE, reward_scale=0.01)
        tell(sampler, choices, 91.0)
        tell(sampler, choices, float("-inf"))  # teaches nothing
    last = SPACE.decisions[-1]
    assert 0.5 < row_after(sampler, choices, last)[choices[last]] < 0.91


def searched(**change):
    usual = {"epsilon": [[1.0, 5], [0.1, 5]], "models": None, "alpha": 0.1, "repeat": False}
    return run(QLearning(NasBench201(nodes=3), **{**usual, **change}), 40)[1]


@functools.cache
def as_usual():
    return searched()


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 1.0},
        {"replay": 1},
        {"initial": 0.9},
        {"epsilon": [[1.0, 100]]},
        {"models": 40},
        {"reward_scale": 0.1},
        {"repeat": True},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_argument_changes_the_search(change):
    assert searched(**change) != as_usual()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0.0}, "alpha must be above 0 and at most 1, got 0"),
        ({"replay": 0}, "replay must be at least 1, got 0"),
        ({"initial": float("nan")}, "initial must be finite, got nan"),
        ({"epsilon": []}, "epsilon must have at least one pair"),
        ({"epsilon": [[1.2, 5]]}, r"epsilon must be pairs of a probability and a number of models, got \[1.2, 5\]"),
        ({"epsilon": [[0.5, 0]]}, r"number of models, got \[0.5, 0\]"),
        ({"models": 0}, "models must be at least 1 or None, got 0"),
        ({"reward_scale": 0.0}, "reward_scale must be above 0 and finite, got 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        QLearning(SPACE, **arguments)
