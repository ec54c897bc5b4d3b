"""ENAS: the controller's step in numbers."""

import math
import random

import numpy as np
import pytest
import torch
from enas_search import QUICK, flat
from toy_paths import SPACE

from lightning_nas.spaces import EnasMacro
from lightning_nas.strategies import Enas

MACRO = EnasMacro(channels=2, layers=4)


def test_a_step_is_that_of_the_formulas():
    settings = {"entropy_weight": 0.5, "baseline_decay": 0.9, "temperature": None, "tanh_constant": None}
    controller = Enas(policy="independent", lr=0.1, **settings).controller(SPACE)
    drawn = [controller.sample(n) for n in range(3)]
    scores = [0.2, 0.9, 0.4]
    learnt = controller.learn(drawn, scores)

    options, entropy = len(SPACE.ops), len(SPACE.decisions) * math.log(len(SPACE.ops))
    rewards = [score + 0.5 * entropy for score in scores]
    baseline, advantages = 0.0, []
    for reward in rewards:
        baseline -= 0.1 * (baseline - reward)
        advantages.append(reward - baseline)
    assert learnt.baseline == pytest.approx(baseline)
    assert learnt.entropy == pytest.approx(entropy)
    assert (learnt.score, learnt.reward) == (pytest.approx(0.5), pytest.approx(np.mean(rewards)))
    for decision, moved in zip(SPACE.decisions, controller.policy.table, strict=True):
        gradient = torch.zeros(options)
        for choices, advantage in zip(drawn, advantages, strict=True):
            gradient -= advantage / 3 * -torch.full((options,), 1 / options)
            gradient[SPACE.ops.index(choices[decision])] -= advantage / 3
        # Adam with beta1 = 0: the first step is lr * g / (|g| + eps).
        torch.testing.assert_close(moved.detach(), -0.1 * gradient / (gradient.abs() + 1e-3))


@pytest.mark.parametrize("correction", [False, True])
def test_the_baseline_comes_to_a_constant_reward(correction):
    settings = {"entropy_weight": 0.0, "baseline_decay": 0.9, "baseline_correction": correction}
    controller = Enas(**QUICK, **settings).controller(SPACE)
    learnt = controller.learn([controller.sample(0)], [0.8])
    assert learnt.baseline == pytest.approx(0.8 if correction else 0.08)
    for step in range(100):
        learnt = controller.learn([controller.sample(step)], [0.8])
    assert learnt.baseline == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("policy", ["lstm", "independent"])
def test_the_divergence_alone_pulls_skips_to_their_target(policy):
    settings = {"temperature": None, "tanh_constant": None, "baseline_decay": 0.0}  # b = R: no reinforcement
    controller = Enas(policy=policy, lr=0.05, skip_weight=0.8, **settings).controller(MACRO)
    before = controller.learn([controller.sample(0)], [1.0])
    for step in range(80):
        after = controller.learn([controller.sample(step, n) for n in range(2)], [1.0] * 2)
    assert after.skip_divergence < 1e-3 < before.skip_divergence
    drawn = controller.policy.encode([controller.sample(9999, n) for n in range(50)])
    shares = {
        MACRO.decisions[position]: log_p.exp()[:, 1].mean().item()
        for position, log_p in controller.policy.distributions(drawn)
        if ".skip." in MACRO.decisions[position]
    }
    assert len(shares) == 6
    assert shares == {name: pytest.approx(0.4, abs=0.02) for name in shares}


def test_the_divergence_is_a_sum_within_layers_and_a_mean_over_them():
    controller = Enas(policy="independent", skip_target=0.3).controller(MACRO)
    learnt = controller.learn([controller.sample(0)], [0.0])  # p = 1/2; layers 1, 2, 3 have 1, 2, 3 skips
    each = 0.5 * math.log(0.5 / 0.3) + 0.5 * math.log(0.5 / 0.7)
    assert learnt.skip_divergence == pytest.approx(2 * each, rel=1e-5)
    assert (
        Enas(policy="independent").controller(SPACE).learn([SPACE.sample(random.Random(0))], [0.0]).skip_divergence == 0
    )


@pytest.mark.parametrize("change", [{"skip_weight": 0.0}, {"skip_target": 0.7}], ids=str)
def test_settings_of_skips_change_the_step(change):
    def moved(**settings):
        controller = Enas(policy="independent", **settings).controller(MACRO)
        controller.learn([controller.sample(n) for n in range(4)], [0.1, 0.5, 0.2, 0.4])
        return flat(controller.policy)

    assert not torch.equal(moved(), moved(**change))
