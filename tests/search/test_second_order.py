"""The second-order gradient beside a closed form and beside differences of the true unrolled objective."""

import pytest
import torch
from torch import nn
from toy_project import FAMILIES, project_of

from lightning_nas.search.gradient.second_order import VirtualStep
from lightning_nas.strategies import Darts

Project = project_of(FAMILIES[0]).Project


class Quadratic(nn.Module):
    """``L_train = |w - A a|^2 / 2``, ``L_val = |w - b|^2 / 2``, so ``w' = w - xi (w - A a)``."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(5, 3, generator=generator, dtype=torch.double)
        self.goal = torch.randn(5, generator=generator, dtype=torch.double)
        self.w = nn.Parameter(torch.randn(5, generator=generator, dtype=torch.double))
        self.a = nn.Parameter(torch.randn(3, generator=generator, dtype=torch.double))

    def train_loss(self):
        return (self.w - self.matrix @ self.a).square().sum() / 2

    def val_loss(self):
        return (self.w - self.goal).square().sum() / 2


@pytest.mark.parametrize("hessian", ["finite", "exact"])
@pytest.mark.parametrize("xi", [None, 0.3])
def test_equals_the_closed_form(hessian, xi):
    toy = Quadratic()
    optimizer = torch.optim.SGD([toy.w], lr=0.1, momentum=0.9, weight_decay=0.01)
    toy.train_loss().backward()
    optimizer.step()  # fills the momentum buffer
    toy.zero_grad()
    before = toy.w.detach().clone()
    step = 0.1 if xi is None else xi
    moved = before - step * (
        before - toy.matrix @ toy.a + 0.01 * before + 0.9 * optimizer.state[toy.w]["momentum_buffer"]
    )
    expected = step * toy.matrix.T @ (moved - toy.goal)
    strategy = Darts(order=2, hessian=hessian, xi=xi)
    gradient = VirtualStep(toy.train_loss, toy.val_loss, toy, [toy.a], [toy.w], optimizer, strategy).gradient()
    torch.testing.assert_close(gradient[0], expected.detach(), rtol=1e-9, atol=1e-11)
    assert torch.equal(toy.w.detach(), before)


def test_every_group_steps_with_its_own_learning_rate():
    toy = Quadratic()
    other = nn.Parameter(torch.ones(5, dtype=torch.double))

    def val_loss():
        return toy.val_loss() + (other - toy.goal).square().sum() / 2

    def train_loss():
        return toy.train_loss() + (other - 2 * toy.matrix @ toy.a).square().sum() / 2

    optimizer = torch.optim.SGD([{"params": [toy.w], "lr": 0.1}, {"params": [other], "lr": 0.02}])
    at = toy.matrix @ toy.a
    expected = 0.1 * toy.matrix.T @ (toy.w - 0.1 * (toy.w - at) - toy.goal)
    expected = expected + 0.02 * 2 * toy.matrix.T @ (other - 0.02 * (other - 2 * at) - toy.goal)
    for hessian in ("finite", "exact"):
        strategy = Darts(order=2, hessian=hessian)
        step = VirtualStep(train_loss, val_loss, toy, [toy.a], [toy.w, other], optimizer, strategy)
        torch.testing.assert_close(step.gradient()[0], expected.detach(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("hessian", "tolerance"), [("exact", 1e-6), ("finite", 0.1)])
def test_equals_differences_of_the_unrolled_objective(hessian, tolerance):
    """The published finite difference takes a step so wide that ReLUs switch; the exact form has no such error."""
    project = Project().double()
    project.log = lambda *args, **kwargs: None
    generator = torch.Generator().manual_seed(1)
    batches = [
        (torch.randn(16, 1, 6, 6, generator=generator).double(), torch.randint(3, (16,), generator=generator))
        for _ in range(2)
    ]
    logits = list(project.backbone.logits.values())
    with torch.no_grad():  # away from the nearly uniform start
        for group in logits:
            group.copy_(torch.randn(group.shape, generator=generator))
    owned = {id(p) for p in logits}
    weights = [p for p in project.parameters() if id(p) not in owned]
    optimizer = torch.optim.SGD(weights, lr=0.2)

    def unrolled():
        start = [p.detach().clone() for p in weights]
        gradients = torch.autograd.grad(project.training_step(batches[0], 0), weights, allow_unused=True)
        with torch.no_grad():
            for p, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    p.sub_(0.2 * gradient)
            value = float(project.training_step(batches[1], 0))
            for p, saved in zip(weights, start, strict=True):
                p.copy_(saved)
        return value

    step = VirtualStep(
        lambda: project.training_step(batches[0], 0),
        lambda: project.training_step(batches[1], 0),
        project,
        logits,
        weights,
        optimizer,
        Darts(order=2, hessian=hessian),
    )
    gradient = dict(zip(project.backbone.logits, step.gradient(), strict=True))["reduce"]
    group = project.backbone.logits["reduce"]  # a lone cell is a reduction
    numeric = torch.zeros_like(gradient)
    for index in range(group.numel()):
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                group.view(-1)[index] += sign * 1e-5
            sides.append(unrolled())
            with torch.no_grad():
                group.view(-1)[index] -= sign * 1e-5
        numeric.view(-1)[index] = (sides[0] - sides[1]) / 2e-5
    assert numeric.abs().max() > 1e-4
    assert (gradient - numeric).norm() <= tolerance * numeric.norm()
    first_order = torch.autograd.grad(project.training_step(batches[1], 0), group)[0]
    assert (gradient - numeric).norm() < (first_order - numeric).norm() / 2


def test_leaves_no_trace_but_that_of_the_validation_pass():
    project = Project(dropout=0.5)
    project.log = lambda *args, **kwargs: None
    generator = torch.Generator().manual_seed(1)
    batch = torch.randn(8, 1, 6, 6, generator=generator), torch.randint(3, (8,), generator=generator)
    other = torch.randn(8, 1, 6, 6, generator=generator), torch.randint(3, (8,), generator=generator)
    logits = list(project.backbone.logits.values())
    owned = {id(p) for p in logits}
    weights = [p for p in project.parameters() if id(p) not in owned]
    before = {name: value.clone() for name, value in project.state_dict().items()}

    # One forward pass at xi = 0 is the reference for buffers and random numbers.
    torch.manual_seed(5)
    project.training_step(batch, 0)
    buffers, state = [b.clone() for b in project.buffers()], torch.get_rng_state()
    project.load_state_dict(before)
    torch.manual_seed(5)
    optimizer = torch.optim.SGD(weights, lr=1e-12)
    VirtualStep(
        lambda: project.training_step(other, 0),
        lambda: project.training_step(batch, 0),
        project,
        logits,
        weights,
        optimizer,
        Darts(order=2),
    ).gradient()
    assert torch.equal(torch.get_rng_state(), state)
    for mine, reference in zip(project.buffers(), buffers, strict=True):
        torch.testing.assert_close(mine, reference)
    for name, p in project.named_parameters():
        assert torch.equal(p.detach(), before[name])
