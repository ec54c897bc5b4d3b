"""The differentiable pieces of the fast mixed operation, against finite differences and against torch's own modules."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from lightning_nas.ops.fused.depthwise import depthwise, from_phases, gradients, to_phases
from lightning_nas.ops.fused.statistics import RunningStatistics, is_plain_norm
from lightning_nas.ops.fused.sums import normalised_sum, separable_middles, weighted_sum

EPS = 1e-5


def random(*shape, seed=0, dtype=torch.float64, grad=True):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_(grad)


def norm(x):
    return nn.functional.batch_norm(x, None, None, training=True, eps=EPS)


# ---- depthwise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (5, 1, 1), (3, 2, 1), (5, 1, 2), (3, 2, 2)])
def test_depthwise_against_finite_differences(kernel, stride, dilation):
    inputs = random(2, 3, 5, 6), random(3, 1, kernel, kernel, seed=1)
    assert gradcheck(lambda x, w: depthwise(x, w, stride, dilation), inputs)


@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (7, 5), (16, 16)])
def test_weight_gradient_in_columns_is_the_weight_gradient(kernel, size):
    """float32 on a CPU takes the kernel in columns; float64 does not."""
    x, grad = random(2, 16, *size, grad=False), random(2, 16, *size, seed=1, grad=False)
    weight = random(16, 1, kernel, kernel, seed=2, grad=False)
    _, expected = gradients(grad, x, weight, 1, 1, False, True)
    _, found = gradients(grad.float(), x.float(), weight.float(), 1, 1, False, True)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_phases_are_undone_and_take_the_dilation_away():
    x, weight = random(2, 3, 6, 8, grad=False), random(3, 1, 5, 5, seed=1, grad=False)
    assert torch.equal(from_phases(to_phases(x)), x)
    dilated = nn.functional.conv2d(x, weight, padding=4, dilation=2, groups=3)
    torch.testing.assert_close(from_phases(depthwise(to_phases(x), weight)), dilated)


# ---- sums into a node -----------------------------------------------------------------------------------------------


def test_normalised_sum_against_finite_differences():
    inputs = [random(2, 3, 3, 4, seed=s) for s in range(2)]
    weights = [random(4, 3, 1, 1, seed=s) for s in (2, 3)]
    values = random(5, seed=4)
    assert gradcheck(lambda v, *t: normalised_sum(v, (3, 1), t[:2], t[2:], EPS)[0], (values, *inputs, *weights))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_normalised_sum_is_convolution_norm_and_weight(dtype, tolerance, offset):
    """Also where the mean is much larger than the deviation, which cancels digits in a careless variance."""
    inputs = [(random(4, 8, 9, 9, seed=s, dtype=dtype) + offset).detach().requires_grad_() for s in range(3)]
    weights = [random(8, 8, 1, 1, seed=s, dtype=dtype) for s in (3, 4, 5)]
    values = random(3, seed=6, dtype=dtype)
    grad = random(4, 8, 9, 9, seed=7, dtype=dtype, grad=False)
    leaves = [values, *inputs, *weights]
    out, mean, variance = normalised_sum(values, (0, 1, 2), inputs, weights, EPS)
    found = torch.autograd.grad(out, leaves, grad)
    # The reference in float64: at an offset of 100 the convolution itself rounds off what it then normalises.
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    maps = [nn.functional.conv2d(x, w) for x, w in zip(exact[1:4], exact[4:], strict=True)]
    expected_out = sum(v * norm(p) for v, p in zip(exact[0], maps, strict=True))
    expected = torch.autograd.grad(expected_out, exact, grad.double())
    for one, other in [(out, expected_out), *zip(found, expected, strict=True)]:
        assert (one.double() - other).norm() <= tolerance * other.norm()
    for k, p in enumerate(maps):
        torch.testing.assert_close(mean[k].double(), p.mean((0, 2, 3)), rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(variance[k].double(), p.var((0, 2, 3), correction=0), rtol=tolerance, atol=0)


def test_a_channel_that_never_fires_has_finite_gradients():
    x = random(2, 3, 4, 4)
    silent = (x * torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)).detach().requires_grad_()
    weight = torch.eye(3, dtype=torch.float64).requires_grad_()
    values = torch.ones(1, dtype=torch.float64, requires_grad=True)
    out, _, _ = normalised_sum(values, (0,), [silent], [weight], EPS)
    torch.testing.assert_close(out, norm(silent))
    assert all(g.isfinite().all() for g in torch.autograd.grad(out.square().sum(), (silent, weight, values)))


def test_separable_middles_against_finite_differences():
    inputs = [random(2, 3, 4, 3, seed=s) for s in range(2)]
    weights = [random(3, 3, 1, 1, seed=s) for s in (2, 3)]
    kernels = [random(3, 1, k, k, seed=k) for k in (3, 5)]
    assert gradcheck(lambda *t: separable_middles(t[:2], t[2:4], t[4:], EPS)[0], (*inputs, *weights, *kernels))


def test_weighted_sum_against_finite_differences():
    terms = [random(2, 3, 2, 4, seed=s) for s in range(3)]
    assert gradcheck(lambda v, *t: weighted_sum(v, (2, 0, 3), t), (random(4, seed=9), *terms))


def test_only_what_is_needed_gets_a_gradient():
    x, weight, values = random(2, 3, 4, 4), random(3, 3, 1, 1, grad=False), random(1, grad=False)
    normalised_sum(values, (0,), [x], [weight], EPS)[0].sum().backward()
    assert x.grad is not None
    assert weight.grad is None
    assert values.grad is None


def test_second_derivatives_are_refused_with_advice():
    x, weight = random(1, 2, 3, 3), random(2, 1, 3, 3)
    with pytest.raises(RuntimeError, match=r"set_form\('textbook'\)"):
        torch.autograd.grad(depthwise(x, weight).square().sum(), x, create_graph=True)


# ---- running statistics ---------------------------------------------------------------------------------------------


def test_running_statistics_move_as_those_of_batch_norm():
    norms = [nn.BatchNorm2d(3, affine=False, momentum=m).double() for m in (0.1, 0.1, 0.3)]
    twins = [nn.BatchNorm2d(3, affine=False, momentum=m).double() for m in (0.1, 0.1, 0.3)]
    statistics = RunningStatistics()
    for step in range(3):
        for index, (one, twin) in enumerate(zip(norms, twins, strict=True)):
            x = random(4, 3, 2, 2, seed=10 * step + index, grad=False)
            twin(x)
            statistics.add(one, x.mean((0, 2, 3)), x.var((0, 2, 3)))
        statistics.apply()
    for one, twin in zip(norms, twins, strict=True):
        for name, buffer in twin.named_buffers():
            torch.testing.assert_close(getattr(one, name), buffer)


@pytest.mark.parametrize(
    "other",
    [
        nn.BatchNorm2d(2),
        nn.BatchNorm2d(2, affine=False).eval(),
        nn.BatchNorm2d(2, affine=False, momentum=None),
        nn.BatchNorm2d(2, affine=False, track_running_stats=False),
        nn.SyncBatchNorm(2, affine=False),
    ],
)
def test_other_norms_are_not_taken_for_plain_ones(other):
    assert is_plain_norm(nn.BatchNorm2d(2, affine=False))
    assert not is_plain_norm(other)
