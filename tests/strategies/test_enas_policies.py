"""The controllers of ENAS: forced sequences beside a controller written out step by step, and what their draws obey."""

import itertools
import math
import random

import pytest
import torch
from torch.nn import functional

from lightning_nas.spaces import EnasMacro, EnasMicro, NasBench201
from lightning_nas.strategies import Enas, Reinforce
from lightning_nas.strategies.policies.build import build_policy
from lightning_nas.strategies.policies.enas import EnasMacroPolicy, EnasMicroPolicy

MACRO = EnasMacro(channels=2, layers=4)
MICRO = EnasMicro(channels=2, cells=3, blocks=3)
KINDS = {"macro": (MACRO, EnasMacroPolicy), "micro": (MICRO, EnasMicroPolicy)}
BOUNDS = [(None, None), (5.0, 2.5)]


def policy_of(kind, temperature=None, tanh_constant=None, seed=0):
    """A policy far from uniform."""
    space, make = KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    policy = make(space, generator, hidden=6, temperature=temperature, tanh_constant=tanh_constant)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.normal_(std=0.8, generator=generator)
    return policy


class Steps:
    """An LSTM by its equations, on vectors."""

    def __init__(self, policy):
        self.w_x, self.w_h = policy.cell.weight_ih, policy.cell.weight_hh
        self.h = self.c = torch.zeros(len(policy.start))

    def read(self, x):
        i, f, g, o = (self.w_x @ x + self.w_h @ self.h).chunk(4)
        self.c = f.sigmoid() * self.c + i.sigmoid() * g.tanh()
        self.h = o.sigmoid() * self.c.tanh()
        return self.h


def bound(z, policy, share=1.0):
    z = z / (policy.temperature or 1.0)
    return z if policy.tanh_constant is None else policy.tanh_constant * share * z.tanh()


def macro_log_prob(policy, choices):
    """One layer after the other, all its skips in one vector."""
    lstm, anchors, total = Steps(policy), [], 0.0
    inputs = policy.start
    for layer in range(MACRO.layers):
        log_p = bound(policy.head @ lstm.read(inputs), policy).log_softmax(0)
        op = MACRO.ops.index(choices[f"layer.{layer}.op"])
        total = total + log_p[op]
        h = lstm.read(policy.embeddings[op])
        inputs = policy.start
        if layer:
            query = torch.stack([a @ policy.key for a in anchors]) + h @ policy.query
            q = query.tanh() @ policy.score
            skips = torch.tensor([choices[f"layer.{layer}.skip.{j}"] == "yes" for j in range(layer)])
            yes, no = bound(q, policy), bound(-q, policy)
            total = total + torch.where(skips, yes, no).sum() - torch.logaddexp(yes, no).sum()
            inputs = sum(a for a, skip in zip(anchors, skips, strict=True) if skip) if skips.any() else 0 * h
            inputs = inputs / (1 + skips.sum())
        anchors.append(h)
    return total


def micro_log_prob(policy, choices):
    """Cell by cell; the second goes on from the state that the first has left."""
    lstm, total = Steps(policy), 0.0
    for cell, preference in (("normal", torch.tensor([0.25, 0.25, -0.25, -0.25, -0.25])), ("reduce", 0.0)):
        keys, anchors = [], []
        for _ in range(2):
            keys.append(lstm.read(policy.start) @ policy.key)
            anchors.append(torch.zeros_like(lstm.h))
        for block in range(2, MICRO.blocks + 2):
            inputs = policy.start
            for side in range(2):
                query = torch.stack(keys) + lstm.read(inputs) @ policy.query
                source = choices[f"{cell}.{block}.input{side}"]
                total = total + bound(query.tanh() @ policy.score, policy).log_softmax(0)[source]
                inputs = anchors[source]
            for side in range(2):
                logits = bound(policy.head @ lstm.read(inputs) + policy.bias, policy, 1 / 2.5)
                op = MICRO.ops.index(choices[f"{cell}.{block}.op{side}"])
                total = total + (logits + preference).log_softmax(0)[op]
                inputs = policy.embeddings[op]
            keys.append(lstm.read(inputs) @ policy.key)
            anchors.append(lstm.h)
    return total


TEXTBOOK = {"macro": macro_log_prob, "micro": micro_log_prob}


@pytest.mark.parametrize(("temperature", "tanh_constant"), BOUNDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_forced_sequence_has_the_probability_and_the_gradient_of_the_textbook(kind, temperature, tanh_constant):
    policy = policy_of(kind, temperature, tanh_constant)
    drawn = [policy.space.sample(random.Random(seed)) for seed in range(8)]
    ours, _ = policy.evaluate(policy.encode(drawn))
    textbook = torch.stack([TEXTBOOK[kind](policy, choices) for choices in drawn])
    torch.testing.assert_close(ours, textbook, rtol=1e-4, atol=1e-5)
    parameters = list(policy.parameters())
    for found, expected in zip(
        torch.autograd.grad(ours.sum(), parameters), torch.autograd.grad(textbook.sum(), parameters), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_knows_its_own_probability(kind):
    policy = policy_of(kind)
    drawn = [policy.sample(torch.Generator().manual_seed(seed)) for seed in range(10)]
    log_probs, _ = policy.evaluate(policy.encode([choices for choices, _ in drawn]))
    assert log_probs.tolist() == pytest.approx([log_prob for _, log_prob in drawn], abs=1e-4)
    for choices, _ in drawn:
        policy.space.validate(choices)


def test_probabilities_of_a_small_macro_space_add_up_to_one():
    space = EnasMacro(channels=2, layers=3, ops=("enas_conv_3x3", "enas_avg_pool_3x3"))
    policy = EnasMacroPolicy(space, torch.Generator().manual_seed(0), temperature=0.1, tanh_constant=None)
    options = [space.options(name, {}) for name in space.decisions]
    every = [dict(zip(space.decisions, taken, strict=True)) for taken in itertools.product(*options)]
    log_prob, entropy = policy.evaluate(policy.encode(every))
    p = log_prob.exp()
    assert len(every) == space.size() == 2**3 * 2**3
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    assert (p * entropy).sum().item() == pytest.approx(-(p * log_prob).sum().item(), abs=1e-5)


def test_the_micro_controller_begins_with_convolutions():
    """Biases of 10 through temperature 5 and the bound 1: tanh(2) for two operations, 0 for three."""
    policy = build_policy("enas", MICRO, torch.Generator().manual_seed(0), temperature=5.0, tanh_constant=2.5)
    batch = policy.encode([policy.sample(torch.Generator().manual_seed(0))[0]])
    for position, log_p in policy.distributions(batch):
        name = MICRO.decisions[position]
        if ".op" in name:
            fixed = 0.25 if name.startswith("normal") else 0.0
            good, other = math.exp(math.tanh(2) + fixed), math.exp(-fixed)
            assert log_p.exp()[0, 0].item() == pytest.approx(good / (2 * good + 3 * other), abs=0.02)
        else:
            assert log_p.exp()[0, 0].item() == pytest.approx(1 / int(name.split(".")[1]), abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(kind):
    def make(seed):
        generator = torch.Generator().manual_seed(seed)
        policy = build_policy("enas", KINDS[kind][0], generator, temperature=None, tanh_constant=None)
        return {name: value for name, value in policy.named_parameters() if name != "bias"}

    before = torch.random.get_rng_state()
    first, same, other = make(0), make(0), make(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, value in first.items():
        assert torch.equal(value, same[name])
        assert not torch.equal(value, other[name])
        assert 0.05 < value.abs().max() <= 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_learns_what_is_rewarded(kind):
    space = KINDS[kind][0]
    wanted = space.ops[0]

    def share(choices):
        ops = [value for name, value in choices.items() if ".op" in name]
        return ops.count(wanted) / len(ops)

    settings = {"temperature": None, "tanh_constant": None, "baseline_decay": 0.9, "baseline_correction": True}
    controller = Enas(policy="enas", lr=0.02, skip_weight=0.0, **settings).controller(space)
    scores = []
    for step in range(18):
        drawn = [controller.sample(step, n) for n in range(8)]
        scores.append(controller.learn(drawn, [share(choices) for choices in drawn]).score)
    assert sum(scores[-5:]) > 1.5 * sum(scores[:5])


def test_other_spaces_are_refused_before_any_work():
    for make in (
        lambda: Enas(policy="enas").controller(NasBench201()),
        lambda: Reinforce(NasBench201(), policy="enas"),
    ):
        with pytest.raises(
            ValueError, match="policy 'enas' is for the spaces enas_macro and enas_micro, got space 'nasbench201'"
        ):
            make()


def test_the_step_is_a_plain_lstm():
    policy = policy_of("macro")
    h, c = policy.step(policy.start, policy.zeros(1), policy.zeros(1))
    steps = Steps(policy)
    torch.testing.assert_close(steps.read(policy.start), h[0])
    torch.testing.assert_close(steps.c, c[0])
    assert functional.cosine_similarity(h, c).item() < 1  # state and cell are not the same thing
