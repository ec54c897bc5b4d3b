"""Samplers against closed forms and independent computations."""

import pytest
import torch
from torch.distributions import Dirichlet as Reference

from lightning_nas.strategies.gradient.samplers import Dirichlet, GumbelSoft, Sigmoid, Softmax, TwoPaths


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_softmax_and_sigmoid_are_their_formulas():
    logits = torch.randn(3, 4, generator=generator())
    torch.testing.assert_close(Softmax().sample(logits, generator()).values, logits.exp() / logits.exp().sum(1, True))
    torch.testing.assert_close(Sigmoid().sample(logits, generator()).values, 1 / (1 + (-logits).exp()))
    assert torch.equal(Sigmoid().initial(logits), torch.zeros(3, 4))
    assert torch.equal(Softmax().initial(logits), logits)


def test_dirichlet_draws_have_the_mean_and_the_variance_of_the_distribution():
    logits = torch.tensor([[0.5, -0.7, 2.0]]).expand(40_000, 3)
    draws = Dirichlet().sample(logits, generator()).values
    c = torch.tensor([1.5, 0.4965853, 3.0])  # elu(a) + 1
    torch.testing.assert_close(Dirichlet().mean(logits)[0], c / c.sum())
    torch.testing.assert_close(draws.mean(0), c / c.sum(), atol=5e-3, rtol=0)
    torch.testing.assert_close(draws.var(0), Reference(c).variance, atol=2e-3, rtol=0)


def test_the_gradient_of_dirichlet_draws_is_that_of_the_expectation():
    """Pathwise: the mean gradient of ``sum w^2`` is that of ``sum c (c + 1) / (C (C + 1))``."""
    logits = torch.tensor([[0.5, -0.7, 2.0]], dtype=torch.float64, requires_grad=True)
    draws = Dirichlet().sample(logits.expand(60_000, 3), generator()).values
    (found,) = torch.autograd.grad(draws.square().sum() / len(draws), logits)
    c = torch.nn.functional.elu(logits) + 1
    total = c.sum()
    (expected,) = torch.autograd.grad((c * (c + 1) / (total * (total + 1))).sum(), logits)
    torch.testing.assert_close(found, expected, atol=4e-3, rtol=0)


def test_dirichlet_draws_follow_their_generator_and_no_other():
    logits = torch.zeros(2, 3)
    torch.manual_seed(5)
    first = Dirichlet().sample(logits, generator(1)).values
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1)), "the global random numbers are as before"
    assert torch.equal(first, Dirichlet().sample(logits, generator(1)).values)
    assert not torch.equal(first, Dirichlet().sample(logits, generator(2)).values)


@pytest.mark.parametrize("sampler", [Softmax(), GumbelSoft(), Dirichlet(), Sigmoid(), TwoPaths()], ids=repr)
def test_options_out_of_the_search_have_no_weight_and_no_gradient(sampler):
    free = torch.randn(2, 4, generator=generator(), requires_grad=True)
    out = torch.tensor([[False, True, False, True], [False, False, False, True]])
    sampler.begin_step("architecture")
    weights = sampler.sample(free.masked_fill(out, -torch.inf), generator()).values
    assert (weights[out] == 0).all()
    assert torch.isfinite(weights).all()
    (gradient,) = torch.autograd.grad((weights * torch.arange(8.0).view(2, 4)).sum(), free)
    assert (gradient[out] == 0).all()
    assert torch.isfinite(gradient).all()
    mean = sampler.mean(free.masked_fill(out, -torch.inf))
    assert (mean[out] == 0).all()


def test_two_paths_have_the_gradient_of_the_paper_and_leave_the_others_as_likely():
    logits = torch.randn(1, 5, dtype=torch.float64, generator=generator(), requires_grad=True)
    sampler = TwoPaths()
    sampler.begin_step("architecture")
    weights = sampler.sample(logits, generator(3))
    ((i, j),) = weights.active
    assert sorted(weights.values[0].detach().tolist()) == [0, 0, 0, 0, 1]
    by_gate = torch.randn(5, dtype=torch.float64, generator=generator(1))
    (found,) = torch.autograd.grad((weights.values[0] * by_gate).sum(), logits)
    q = logits.detach()[0, [i, j]].softmax(0)
    expected = torch.zeros(5, dtype=torch.float64)
    for a, own in ((0, i), (1, j)):
        expected[own] = sum(by_gate[other] * q[b] * (float(a == b) - q[a]) for b, other in ((0, i), (1, j)))
    torch.testing.assert_close(found[0], expected)

    before = logits.detach().clone()
    after = before - 0.3 * found
    p = before.softmax(-1)
    sampler.stepped("edge", after, before)
    others = [k for k in range(5) if k not in (i, j)]
    torch.testing.assert_close(after.softmax(-1)[0, others], p[0, others])
    assert not torch.allclose(after.softmax(-1)[0, [i, j]], p[0, [i, j]])


def test_two_paths_draw_by_probability_and_one_for_the_weights():
    logits = torch.tensor([[0.0, 1.0, -1.0]]).expand(20_000, 3)
    drawn = TwoPaths().sample(logits, generator())
    assert {len(options) for options in drawn.active} == {1}
    torch.testing.assert_close(drawn.values.mean(0), logits[0].softmax(0), atol=0.012, rtol=0)
