"""The gradient of GDAS against its closed form, and against that of another rule with the same outputs."""

import pytest
import torch

from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces import Chain, Darts, NasBench201, NasNet, OptionWeights
from lightning_nas.strategies import Darts as Strategy
from lightning_nas.strategies.gradient.samplers import GumbelHard

OPS = ("max_pool_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3")


def gdas(tau, seed):
    return Strategy(sampler=GumbelHard(tau_start=tau, tau_end=0.1), seed=seed)


def noise(shape, generator):
    return -torch.empty(shape, dtype=torch.float64).exponential_(generator=generator).log()


def soft(logits, gumbel, tau):
    return ((logits.log_softmax(-1) + gumbel) / tau).softmax(-1)


def closed_form(factor, p, drawn, tau):
    """``factor * p_k * ([j = k] - p_j) / tau``."""
    chosen = torch.nn.functional.one_hot(torch.tensor(drawn), len(p))
    return factor * p[drawn] * (chosen - p) / tau


@pytest.mark.parametrize("tau", [10.0, 1.0, 0.3])
@pytest.mark.parametrize("seed", range(6))
def test_the_gradient_of_one_edge_is_the_closed_form(tau, seed):
    torch.manual_seed(seed)
    edge = MixedOp(OPS, 3, 1, pool_norm=False).double().eval()
    x, direction = torch.randn(2, 2, 3, 5, 5, dtype=torch.float64).unbind()
    logits = torch.randn(1, len(OPS), dtype=torch.float64, requires_grad=True)
    strategy = gdas(tau, seed)
    weights = strategy.relax({"edge": logits})["edge"]
    ((drawn,),) = weights.active
    y = edge(x, weights.values[0], (drawn,))
    maps = [candidate(x).detach() for candidate in edge.candidates]
    torch.testing.assert_close(y, maps[drawn])
    (direction * y).sum().backward()

    gumbel = noise((1, len(OPS)), torch.Generator().manual_seed(seed))
    p = soft(logits.detach(), gumbel, tau)[0]
    assert drawn == p.argmax().item()
    factor = (direction * maps[drawn]).sum()
    torch.testing.assert_close(logits.grad[0], closed_form(factor, p, drawn, tau))

    def surrogate(a):  # what the drawn option is worth, times its soft weight
        return factor * soft(a, gumbel, tau)[0, drawn]

    steps = 1e-6 * torch.eye(len(OPS), dtype=torch.float64)
    differences = [(surrogate(logits.detach() + h) - surrogate(logits.detach() - h)) / 2e-6 for h in steps]
    torch.testing.assert_close(logits.grad[0], torch.stack(differences), rtol=1e-6, atol=1e-7)


def test_the_other_rule_has_equal_outputs_and_a_shifted_gradient():
    """The numbers of the options that were not drawn, added: the factor is that of the drawn map minus one."""
    torch.manual_seed(0)
    edge = MixedOp(OPS, 3, 1, pool_norm=False).double().eval()
    x, direction = torch.randn(2, 2, 3, 5, 5, dtype=torch.float64).unbind()
    gradients, outputs = [], []
    for other in (False, True):
        logits = torch.tensor([[0.0, 2.0, 0.5, 0.3]], dtype=torch.float64, requires_grad=True)
        weights = gdas(1.0, 3).relax({"edge": logits})["edge"]
        ((drawn,),) = weights.active
        y = edge(x, weights.values[0], (drawn,))
        if other:
            y = y + sum(weights.values[0, option] for option in range(len(OPS)) if option != drawn)
        (direction * y).sum().backward()
        gradients.append(logits.grad[0])
        outputs.append(y.detach())
    torch.testing.assert_close(outputs[0], outputs[1])
    p = soft(logits.detach(), noise((1, len(OPS)), torch.Generator().manual_seed(3)), 1.0)[0]
    drawn_map = edge.candidates[drawn](x).detach()
    torch.testing.assert_close(gradients[0], closed_form((direction * drawn_map).sum(), p, drawn, 1.0))
    torch.testing.assert_close(gradients[1], closed_form((direction * (drawn_map - 1)).sum(), p, drawn, 1.0))
    assert (gradients[0] - gradients[1]).abs().max() > 0.01


CELLS = {"channels": 4, "cells": 3, "ops": ("none", "skip_connect", "sep_conv_3x3", "avg_pool_3x3")}
SPACES = {
    "nasbench201": NasBench201(channels=4, cells=1),
    "darts": Darts(**CELLS),
    "nasnet": NasNet(channels=4, cells=3, blocks=2, ops=("skip_connect", "bottleneck_1x7_7x1", "max_pool_3x3")),
    "chain": Chain(stem_channels=4, first_channels=4, widths=(4, 6), depths=(2, 2), strides=(2, 2)),
}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("nasbench201", "textbook"),
        ("darts", "textbook"),
        ("darts", "fused"),
        ("nasnet", "textbook"),
        ("nasnet", "fused"),
        ("chain", "textbook"),
    ],
)
def test_the_gradient_of_a_supernet_is_the_closed_form_of_every_edge(name, form):
    """The factor of an edge is the derivative of the loss for the weight of its drawn option, whatever lies behind it."""
    torch.manual_seed(1)
    supernet = SPACES[name].supernet().double()
    supernet.set_form(form)
    with torch.no_grad():
        for group in supernet.logits.values():
            group.normal_()
    x, tau, seed = torch.randn(2, 3, 16, 16, dtype=torch.float64), 0.7, 5

    def loss():
        return sum((f * torch.linspace(-1, 1, f.numel(), dtype=f.dtype).view_as(f)).sum() for f in supernet(x))

    strategy = gdas(tau, seed)
    supernet.relaxation = strategy.relax
    loss().backward()

    drawn = gdas(tau, seed).relax(supernet.logits)
    leaves = {group: w.values.detach().clone().requires_grad_() for group, w in drawn.items()}
    supernet.relaxation = lambda _: {group: OptionWeights(leaf, drawn[group].active) for group, leaf in leaves.items()}
    loss().backward()

    generator = torch.Generator().manual_seed(seed)
    seen = 0
    for group, logits in supernet.logits.items():
        p = soft(logits.detach(), noise(logits.shape, generator), tau)
        factors = torch.zeros_like(p) if leaves[group].grad is None else leaves[group].grad
        found = torch.zeros_like(p) if logits.grad is None else logits.grad
        for edge, (option,) in enumerate(drawn[group].active):
            expected = closed_form(factors[edge, option], p[edge], option, tau)
            for other in set(range(p.shape[1])) - {option}:
                if "inputs" in group:  # a cell of NASNet concatenates a state by the weights of all that might read it
                    expected = expected + closed_form(factors[edge, other], p[edge], other, tau)
                else:
                    assert factors[edge, other] == 0
            torch.testing.assert_close(found[edge], expected)
            seen += expected.abs().max().item() > 1e-9
    assert seen >= 3
