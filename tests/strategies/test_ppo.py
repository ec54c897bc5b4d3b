"""PPO: the clipped objective by hand, its first step is REINFORCE's, and that it lives by the study alone."""

import functools
import math
import random

import pytest
import torch
from study_runs import first_difference, run, value_of

from lightning_nas.spaces import NasBench201, NasFpn
from lightning_nas.strategies.blackbox.base import Told
from lightning_nas.strategies.blackbox.ppo import Ppo, clipped_loss
from lightning_nas.strategies.blackbox.reinforce import Reinforce

SPACE = NasBench201()
BANDIT = NasBench201(nodes=2, ops=("none", "skip_connect"))
LEFT, RIGHT = ({"cell.1.0": op} for op in BANDIT.ops)


def probability_of_right(sampler):
    log_prob, _ = sampler.policy.evaluate(sampler.policy.encode([RIGHT]))
    return log_prob.exp().item()


def test_the_clipped_objective_by_hand():
    ratio = torch.tensor([0.5, 0.5, 1.5, 1.5, 1.1], dtype=torch.float64)
    advantage = torch.tensor([2.0, -2.0, 2.0, -2.0, 3.0], dtype=torch.float64)
    log_prob = ratio.log().requires_grad_()
    loss = clipped_loss(log_prob, torch.zeros(5, dtype=torch.float64), advantage, 0.2)
    assert loss.item() == pytest.approx(-(0.5 * 2 - 0.8 * 2 + 1.2 * 2 - 1.5 * 2 + 1.1 * 3) / 5)
    (gradient,) = torch.autograd.grad(loss, log_prob)
    # Where the ratio has already gone too far in the wanted direction it is not pushed further: the second and third.
    assert gradient.tolist() == pytest.approx([-0.5 * 2 / 5, 0, 0, 1.5 * 2 / 5, -1.1 * 3 / 5])


@pytest.mark.parametrize("policy", ["lstm", "independent"])
def test_the_first_step_has_the_gradient_of_reinforce(policy):
    shared = {"policy": policy, "batch": 4, "baseline_decay": 0.7, "entropy_weight": 0.1, "seed": 2}
    ppo, reinforce = Ppo(SPACE, epochs=1, **shared), Reinforce(SPACE, **shared)
    for seed in range(4):
        choices = SPACE.sample(random.Random(seed))
        for sampler in (ppo, reinforce):
            sampler.observe(Told(choices, value_of(choices)))
    for a, b in zip(ppo.policy.parameters(), reinforce.policy.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-7)


def test_epochs_are_steps_until_the_ratio_is_clipped():
    def right(epochs, clip):
        sampler = Ppo(BANDIT, policy="independent", lr=0.05, batch=2, epochs=epochs, clip=clip, entropy_weight=0.0)
        sampler.observe(Told(LEFT, 0.0))
        assert probability_of_right(sampler) == 0.5  # nothing happens before the batch is full
        sampler.observe(Told(RIGHT, 1.0))
        return probability_of_right(sampler)

    free = [right(epochs, 100.0) for epochs in (1, 2, 4, 8)]
    assert free == sorted(free)
    assert free[0] == pytest.approx(1 / (1 + math.exp(-0.1)), abs=1e-4)  # Adam's first step is lr, of both logits
    assert right(8, 0.02) < free[-1] - 0.05


@pytest.mark.parametrize(("policy", "lr"), [("independent", 0.1), ("lstm", 0.005)])
def test_the_probability_of_the_rewarded_arm_rises(policy, lr):
    sampler = Ppo(BANDIT, policy=policy, lr=lr, batch=10)
    assert probability_of_right(sampler) == pytest.approx(0.5, abs=0.05)
    run(sampler, 100, value=lambda choices: float(choices == RIGHT))
    assert probability_of_right(sampler) > 0.8


@pytest.mark.parametrize("policy", ["lstm", "independent"])
@pytest.mark.parametrize("space", [SPACE, NasFpn(cells=3, min_level=4, max_level=6)], ids=["nasbench201", "nas_fpn"])
def test_a_restarted_worker_proposes_what_the_uninterrupted_one_does(policy, space):
    arguments = {"policy": policy, "lr": 0.05, "batch": 4, "seed": 5}
    _, whole = run(Ppo(space, **arguments), 20)
    study, first = run(Ppo(space, **arguments), 10)  # in the middle of a batch
    _, second = run(Ppo(space, **arguments), 10, study)
    assert first + second == whole


def test_without_repeats_a_small_space_is_gone_through():
    space = NasBench201(nodes=2)
    _, proposed = run(Ppo(space, repeat=False), 5)
    assert {choices["cell.1.0"] for choices in proposed} == set(space.ops)


def sampler_with(**change):
    usual = {"lr": 0.05, "batch": 5, "entropy_weight": 0.1}
    return Ppo(NasBench201(nodes=3), **{**usual, **change})


@functools.cache
def as_usual():
    return run(sampler_with(), 40)[1]


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "independent"},
        {"lr": 0.5},
        {"batch": 7},
        {"epochs": 1},
        {"clip": 0.01},
        {"baseline_decay": 0.0},
        {"entropy_weight": 1.0},
        {"temperature": 0.05},
        {"tanh_constant": 0.05},
        {"reward_scale": 0.01},
        {"repeat": False},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_argument_changes_the_search(change):
    assert first_difference(sampler_with(**change), as_usual()) is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"clip": 0.0}, "clip must be above 0, got 0"),
        ({"policy": "gru"}, r"policy must be one of \['lstm', 'independent', 'enas'\], got 'gru'"),
        ({"lr": -1.0}, "lr must be above 0 and finite, got -1"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Ppo(SPACE, **arguments)
