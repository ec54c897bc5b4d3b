"""REINFORCE: its gradient in closed form, its baseline, what it learns, and that it lives by the study alone."""

import functools
import itertools
import math
import random

import optuna
import pytest
import torch
from study_runs import first_difference, run

from lightning_nas.spaces import NasBench201, NasFpn
from lightning_nas.strategies.blackbox.base import Told
from lightning_nas.strategies.blackbox.policy_gradient import Baseline
from lightning_nas.strategies.blackbox.reinforce import Reinforce

SPACE = NasBench201()
BANDIT = NasBench201(nodes=2, ops=("none", "skip_connect"))
LEFT, RIGHT = ({"cell.1.0": op} for op in BANDIT.ops)
POLICIES = ("independent", "lstm")


def probabilities(sampler):
    log_prob, _ = sampler.policy.evaluate(sampler.policy.encode([LEFT, RIGHT]))
    return log_prob.exp().tolist()


def test_the_gradient_on_a_two_armed_bandit_in_closed_form():
    sampler = Reinforce(BANDIT, batch=3, baseline_decay=0.8, entropy_weight=0.3, reward_scale=0.5)
    with torch.no_grad():
        sampler.policy.table[0].copy_(torch.tensor([0.2, -0.5]))
    p = math.exp(0.2) / (math.exp(0.2) + math.exp(-0.5))
    children = [(LEFT, 1.0), (RIGHT, 0.4), (LEFT, 0.6)]
    numerator = denominator = expected = 0.0
    for choices, value in children:
        sampler.observe(Told(choices, value))
        numerator, denominator = 0.8 * numerator + 0.2 * 0.5 * value, 0.8 * denominator + 0.2
        advantage = 0.5 * value - numerator / denominator
        expected -= advantage * ((1.0 if choices is LEFT else 0.0) - p) / 3  # d log pi(a) / d z_left = 1[a = left] - p
    expected -= 0.3 * p * (1 - p) * math.log((1 - p) / p)  # d H / d z_left
    assert sampler.policy.table[0].grad.tolist() == pytest.approx([expected, -expected], rel=1e-4)


def test_a_batch_is_one_step_against_the_gradient():
    sampler = Reinforce(BANDIT, batch=2, lr=0.25)
    sampler.observe(Told(LEFT, 0.3))
    assert sampler.policy.table[0].tolist() == [0, 0]
    sampler.observe(Told(RIGHT, 0.9))
    assert sampler.policy.table[0].tolist() == pytest.approx([-0.25, 0.25], rel=1e-4)  # Adam's first step is lr


def test_the_baseline_is_the_reward_where_that_is_constant_and_moves_to_a_new_one():
    baseline = Baseline(0.9)
    assert baseline.value == 0
    for _ in range(5):
        assert baseline.advantage(0.7) == pytest.approx(0, abs=1e-12)
        assert baseline.value == pytest.approx(0.7)
    advantages = [baseline.advantage(0.2) for _ in range(200)]
    assert advantages[0] < -0.2
    assert all(earlier < later for earlier, later in itertools.pairwise(advantages[:50]))
    assert baseline.value == pytest.approx(0.2, abs=1e-6)


def test_rewards_that_are_constant_move_nothing():
    sampler = Reinforce(SPACE, lr=0.5, baseline_decay=0.5)
    run(sampler, 20, value=lambda choices: 0.75)
    assert max(row.abs().max().item() for row in sampler.policy.table) < 1e-3


@pytest.mark.parametrize(("policy", "lr"), [("independent", 0.1), ("lstm", 0.003)])
def test_the_probability_of_the_rewarded_arm_rises(policy, lr):
    sampler = Reinforce(BANDIT, policy=policy, lr=lr)
    assert probabilities(sampler)[1] == pytest.approx(0.5, abs=0.05)
    run(sampler, 100, value=lambda choices: float(choices == RIGHT))
    assert probabilities(sampler)[1] > 0.85


def test_a_study_that_minimises_turns_the_reward_round():
    sampler = Reinforce(BANDIT)
    run(sampler, 100, optuna.create_study(direction="minimize"), value=lambda choices: float(choices == RIGHT))
    assert probabilities(sampler)[0] > 0.85


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("space", [SPACE, NasFpn(cells=3, min_level=4, max_level=6)], ids=["nasbench201", "nas_fpn"])
def test_a_restarted_worker_proposes_what_the_uninterrupted_one_does(policy, space):
    arguments = {"policy": policy, "lr": 0.05, "batch": 3, "seed": 5}
    _, whole = run(Reinforce(space, **arguments), 20)
    study, first = run(Reinforce(space, **arguments), 10)  # in the middle of a batch
    _, second = run(Reinforce(space, **arguments), 10, study)
    assert first + second == whole


def test_an_infinite_value_teaches_nothing():
    sampler = Reinforce(BANDIT)
    run(sampler, 5, value=lambda choices: -math.inf if choices == LEFT else 0.5)
    assert sampler.baseline.value == pytest.approx(0.5)
    assert probabilities(sampler) == pytest.approx([0.5, 0.5], abs=1e-3)


def test_it_learns_where_gradients_are_switched_off():
    with torch.no_grad():
        _, proposed = run(Reinforce(SPACE, lr=0.5), 10)
    assert proposed == run(Reinforce(SPACE, lr=0.5), 10)[1]


def test_without_repeats_a_small_space_is_gone_through():
    space = NasBench201(nodes=2)
    _, proposed = run(Reinforce(space, repeat=False), 5)
    assert {choices["cell.1.0"] for choices in proposed} == set(space.ops)


def test_draws_come_from_the_generator_that_is_given():
    sampler = Reinforce(SPACE)
    torch.manual_seed(3)
    first = sampler.propose(random.Random(1))
    torch.manual_seed(4)
    assert sampler.propose(random.Random(1)) == first
    assert len({tuple(sampler.propose(random.Random(seed)).values()) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "lstm"},
        {"lr": 1.0},
        {"batch": 2},
        {"baseline_decay": 0.0},
        {"entropy_weight": 0.5},
        {"temperature": 0.1},
        {"tanh_constant": 0.1},
        {"reward_scale": 0.01, "entropy_weight": 0.05},
        {"repeat": False},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_argument_changes_the_search(change):
    usual = {"lr": 0.5, "entropy_weight": 0.05 if "reward_scale" in change else 0.0}
    space = NasBench201(nodes=3)
    expected = as_usual(tuple(usual.items()))
    assert first_difference(Reinforce(space, **{**usual, **change}), expected) is not None


@functools.cache
def as_usual(arguments):
    return run(Reinforce(NasBench201(nodes=3), **dict(arguments)), 40)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "gru"}, r"policy must be one of \['lstm', 'independent', 'enas'\], got 'gru'"),
        ({"lr": 0.0}, "lr must be above 0 and finite, got 0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"baseline_decay": 1.0}, "baseline_decay must be at least 0 and below 1, got 1"),
        ({"entropy_weight": -1.0}, "entropy_weight must be at least 0 and finite, got -1"),
        ({"temperature": 0.0}, "temperature must be above 0 or None, got 0"),
        ({"tanh_constant": -2.0}, "tanh_constant must be above 0 or None, got -2"),
        ({"reward_scale": math.inf}, "reward_scale must be above 0 and finite, got inf"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Reinforce(SPACE, **arguments)
