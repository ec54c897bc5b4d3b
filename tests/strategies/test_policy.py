"""Policies: probabilities that add up, masks that hold, draws that the seed alone decides."""

import itertools
import math
import random
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from lightning_nas.spaces import Chain, Darts, Fpn, NasBench201, NasFpn, SearchSpace
from lightning_nas.strategies.policies.build import build_policy
from lightning_nas.strategies.policies.independent import IndependentPolicy
from lightning_nas.strategies.policies.lstm import LstmPolicy

SPACES = {
    "nasbench201": NasBench201(),
    "nas_fpn": NasFpn(cells=4, min_level=4, max_level=6),
    "darts": Darts(),
    "chain": Chain(widths=(8, 8), depths=(3, 3), strides=(2, 2), min_depth=1),
}


@dataclass(frozen=True)
class Forks(SearchSpace):
    """``first`` decides what ``second`` may be and whether there is one: 2 + 3 + 1 architectures."""

    name: ClassVar[str] = "test_policy_forks"
    second: ClassVar = {"a": ["x", "y"], "b": ["x", "y", "z"], "c": []}

    @property
    def decisions(self):
        return ("first", "second", "third")

    def options(self, name, choices):
        if name == "second":
            return self.second[choices["first"]]
        return list(self.second) if name == "first" else [0, 1]

    def all_options(self, name):
        return ["x", "y", "z"] if name == "second" else self.options(name, {})

    def network(self, choices, *, inputs=None):
        raise NotImplementedError

    def supernet(self, *, inputs=None, generator=None):
        raise NotImplementedError

    def decode(self, logits):
        raise NotImplementedError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def policy_of(name, space):
    """A policy that is far from uniform."""
    policy, draws = build_policy(name, space, generator(), temperature=None, tanh_constant=None), generator(1)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.normal_(std=0.4 if name == "lstm" else 1.0, generator=draws)
    return policy


def all_forks():
    space = Forks()
    for first in space.second:
        for second, third in itertools.product(space.second[first] or [None], [0, 1]):
            yield {"first": first, **({"second": second} if second else {}), "third": third}


@pytest.mark.parametrize("policy", ["lstm", "independent"])
@pytest.mark.parametrize("space", SPACES)
def test_a_forced_sequence_has_the_probability_of_its_draw_alone_and_in_a_batch(policy, space):
    policy = policy_of(policy, SPACES[space])
    drawn = [policy.sample(generator(seed)) for seed in range(12)]
    together, _ = policy.evaluate(policy.encode([choices for choices, _ in drawn]))
    for (choices, log_prob), batched in zip(drawn, together.tolist(), strict=True):
        alone, _ = policy.evaluate(policy.encode([choices]))
        assert alone.item() == pytest.approx(log_prob, abs=1e-4)
        assert batched == pytest.approx(log_prob, abs=1e-4)
    assert len({log_prob for _, log_prob in drawn}) > 6


@pytest.mark.parametrize("policy", ["lstm", "independent"])
def test_probabilities_add_up_to_one_and_draws_follow_them(policy):
    policy = policy_of(policy, Forks())
    forks = list(all_forks())
    log_prob, entropy = policy.evaluate(policy.encode(forks))
    p = log_prob.exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    assert (p * entropy).sum().item() == pytest.approx(-(p * log_prob).sum().item(), abs=1e-5)  # the chain rule
    draws, n = generator(3), 2000
    drawn = [forks.index(policy.sample(draws)[0]) for _ in range(n)]
    for index, expected in enumerate(p.tolist()):
        assert drawn.count(index) / n == pytest.approx(
            expected, abs=4 * math.sqrt(expected * (1 - expected) / n) + 1e-9
        )


@pytest.mark.parametrize("policy", ["lstm", "independent"])
@pytest.mark.parametrize("space", SPACES)
def test_what_is_not_allowed_is_never_drawn_and_gradients_are_finite(policy, space):
    space = SPACES[space]
    policy, draws = policy_of(policy, space), generator(1)
    drawn = [policy.sample(draws)[0] for _ in range(40)]
    for choices in drawn:
        space.validate(choices)
    log_prob, entropy = policy.evaluate(policy.encode(drawn))
    (log_prob + entropy).sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in policy.parameters())
    assert sum(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in policy.parameters()) > 1


def test_uniform_logits_have_the_entropy_ln_k():
    policy = IndependentPolicy(NasBench201())
    log_prob, entropy = policy.evaluate(policy.encode([policy.sample(generator())[0]]))
    assert entropy.item() == pytest.approx(6 * math.log(5), rel=1e-6)
    assert log_prob.item() == pytest.approx(-6 * math.log(5), rel=1e-6)
    forks = IndependentPolicy(Forks())
    _, entropy = forks.evaluate(forks.encode(list(all_forks())))  # 2, 3 and no options for the second decision
    assert entropy.tolist() == pytest.approx([math.log(3 * k * 2) for k in (2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 1, 1)])


def test_the_lstm_sees_what_was_chosen_and_the_independent_policy_does_not():
    first, second = (dict.fromkeys(NasBench201().decisions, op) for op in ("none", "skip_connect"))
    second[NasBench201().decisions[-1]] = "none"
    for name, differs in (("lstm", True), ("independent", False)):
        policy = policy_of(name, NasBench201())
        memories = []
        for choices in (first, second):
            memory, encoded = policy.begin(1), policy.encode([choices])
            for position in range(5):
                memory = policy.remember(position, memory, encoded.taken[position])
            memories.append(policy.logits(5, memory))
        assert (not torch.equal(*memories)) is differs


def test_an_inactive_decision_leaves_the_memory_as_it_is():
    policy = policy_of("lstm", Forks())
    with_second, without = {"first": "a", "second": "y", "third": 1}, {"first": "c", "third": 1}
    (_, mixed), _ = policy.evaluate(policy.encode([with_second, without]))
    (alone,), _ = policy.evaluate(policy.encode([without]))
    assert mixed.item() == pytest.approx(alone.item(), abs=1e-5)
    memory = policy.begin(1)
    by_hand = policy.logits(0, memory).log_softmax(-1)[0, 2]
    by_hand = by_hand + policy.logits(2, policy.remember(0, memory, torch.tensor([2]))).log_softmax(-1)[0, 1]
    assert alone.item() == pytest.approx(by_hand.item(), abs=1e-5)


def test_temperature_and_tanh_constant_by_hand():
    for temperature, constant in itertools.product((None, 5.0), (None, 2.5)):
        policy = IndependentPolicy(NasBench201(), temperature=temperature, tanh_constant=constant)
        raw = torch.tensor([9.0, -3.0, 1.0, 0.0, 2.0])
        with torch.no_grad():
            policy.table[0].copy_(raw)
        squashed = [x / (temperature or 1) for x in raw.tolist()]
        squashed = [constant * math.tanh(x) for x in squashed] if constant else squashed
        total = sum(math.exp(x) for x in squashed)
        expected = [x - math.log(total) for x in squashed]
        assert policy.log_probabilities(0, policy.begin(1), None)[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_seeds_decide_weights_and_draws_and_the_global_generator_is_left_alone():
    space = NasBench201()
    before, python = torch.random.get_rng_state(), random.getstate()
    first, same, other = (LstmPolicy(space, generator(seed)) for seed in (0, 0, 1))
    draws = [
        [policy.sample(source)[0] for _ in range(5)] for policy, source in ((first, generator(2)), (same, generator(2)))
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert random.getstate() == python
    assert draws[0] == draws[1] != [other.sample(generator(3))[0] for _ in range(5)]
    for a, b, c in zip(first.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert 0.05 < a.abs().max() <= 0.1
        assert a.dtype == torch.float32


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"policy must be one of \['lstm', 'independent', 'enas'\], got 'gru'"):
        build_policy("gru", NasBench201(), generator(), temperature=None, tanh_constant=None)
    with pytest.raises(ValueError, match="temperature must be above 0 or None, got 0"):
        IndependentPolicy(NasBench201(), temperature=0)
    with pytest.raises(ValueError, match="tanh_constant must be above 0 or None, got -1"):
        LstmPolicy(NasBench201(), generator(), tanh_constant=-1)
    with pytest.raises(ValueError, match="space 'fpn' has no decisions"):
        IndependentPolicy(Fpn())
