"""Distances of outputs, against their formulas."""

import torch
from torch.nn import functional as F

from lightning_nas.strategies.paths.divergence import LARGEST_RATIO, alpha_divergence, kl_divergence


def distributions(scale=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    teacher, student = scale * torch.randn(2, 6, 4, dtype=torch.float64, generator=generator)
    return teacher, student.requires_grad_()


def written_out(alpha, p, q):
    """``Σ q f_a(p / q)``."""
    return (q * ((p / q) ** alpha - 1) / (alpha * (alpha - 1))).sum(-1)


def test_kl_is_the_sum_of_p_log_p_over_q():
    teacher, student = distributions()
    p, q = teacher.softmax(-1), student.softmax(-1)
    expected = (p * (p / q).log()).sum(-1)
    torch.testing.assert_close(kl_divergence(p.log(), q.log()), expected)


def test_alpha_is_the_larger_of_both_ends():
    teacher, student = distributions()
    p, q = teacher.softmax(-1), student.softmax(-1)
    values = torch.stack([written_out(-1.0, p, q), (p * (p / q).log()).sum(-1)])
    torch.testing.assert_close(alpha_divergence(p.log(), q.log()), values.max(0).values)
    assert (values[0] > values[1]).any()
    assert (values[0] < values[1]).any()


def test_the_end_at_one_is_the_limit_of_the_formula():
    teacher, student = distributions()
    p, q = teacher.softmax(-1), student.softmax(-1)
    torch.testing.assert_close(written_out(1 + 1e-6, p, q), (p * (p / q).log()).sum(-1), atol=1e-5, rtol=1e-4)


def test_the_gradient_is_that_of_the_formula_where_no_ratio_is_cut():
    teacher, student = distributions()
    p = teacher.softmax(-1)
    (gradient,) = torch.autograd.grad(alpha_divergence(p.log(), F.log_softmax(student, -1)).sum(), student)
    q = student.softmax(-1)
    values = torch.stack([written_out(-1.0, p, q), (p * (p / q).log()).sum(-1)])
    (expected,) = torch.autograd.grad(values.max(0).values.sum(), student)
    torch.testing.assert_close(gradient, expected)


def test_large_ratios_are_cut_in_the_gradient():
    p = torch.tensor([[0.999, 0.001]], dtype=torch.float64)
    student = torch.tensor([[-4.0, 4.0]], dtype=torch.float64, requires_grad=True)
    log_q = F.log_softmax(student, -1)
    q = log_q.exp().detach()
    value = alpha_divergence(p.log(), log_q)
    assert value > 100  # q² / p
    (gradient,) = torch.autograd.grad(value.sum(), student)
    weights = q * (q / p).clamp(max=LARGEST_RATIO)
    (expected,) = torch.autograd.grad((weights * F.log_softmax(student, -1)).sum(), student)
    torch.testing.assert_close(gradient, expected)
    assert gradient.abs().max() < LARGEST_RATIO


def test_equal_outputs_are_no_distance_apart():
    teacher, _ = distributions()
    log_p = F.log_softmax(teacher, -1)
    student = log_p.clone().requires_grad_()
    for divergence in (kl_divergence, alpha_divergence):
        value = divergence(log_p, F.log_softmax(student, -1))
        torch.testing.assert_close(value, torch.zeros(6, dtype=torch.float64), atol=1e-12, rtol=0)
        (gradient,) = torch.autograd.grad(value.sum(), student)
        assert gradient.abs().max() < 1e-12
