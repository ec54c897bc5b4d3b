"""Parts against formulas that are written out a second time: perturbations, auxiliary skips, OLES, gradients of draws."""

import numpy as np
import pytest
import torch
from scipy.special import betainc, betaln

from lightning_nas.ops import build_op
from lightning_nas.ops.beside import SkipBeside
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.adapters import AuxiliarySkip
from lightning_nas.strategies.gradient.guards import Oles
from lightning_nas.strategies.gradient.perturbations import Adversarial, RandomSmoothing
from lightning_nas.strategies.gradient.samplers import Dirichlet


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def on_simplex(rows):
    """Row by row: cut, and divided by the sum; all to the strongest where nothing is left."""
    found = []
    for row in rows:
        cut = [min(max(float(w), 0.0), 1.0) for w in row]
        if sum(cut) == 0:
            cut[int(np.argmax(row))] = 1.0
        found.append([w / sum(cut) for w in cut])
    return torch.tensor(found, dtype=torch.float64)


LOGITS = {"edge": 3 * torch.randn(5, 4, dtype=torch.float64, generator=generator(7))}


def weight_step(strategy, epoch, epochs):
    strategy.begin_epoch(epoch, epochs)
    strategy.begin_step("weights")
    strategy.seed_batch(11)
    return strategy.relax(LOGITS)["edge"].values


@pytest.mark.parametrize("size", [0.03, 0.9])
def test_random_smoothing_disturbs_the_softmax_and_stays_on_the_simplex(size):
    strategy = Darts(perturbation=RandomSmoothing(size=size), seed=3)
    softmax = LOGITS["edge"].exp() / LOGITS["edge"].exp().sum(1, keepdim=True)
    for epoch in range(3):
        epsilon = size * epoch / 2
        noise = (2 * torch.rand(5, 4, generator=generator(11 + 3)) - 1) * epsilon
        expected = on_simplex(softmax + noise.double())
        torch.testing.assert_close(weight_step(strategy, epoch, 3), expected, rtol=0, atol=1e-6)
    strategy.begin_step("architecture")
    torch.testing.assert_close(strategy.relax(LOGITS)["edge"].values, softmax)


def test_disturbed_weights_that_do_not_compete_are_only_cut():
    strategy = Darts(sampler="sigmoid", perturbation=RandomSmoothing(size=0.9), seed=3)
    noise = (2 * torch.rand(5, 4, generator=generator(11 + 3)) - 1) * 0.9
    expected = (LOGITS["edge"].sigmoid() + noise).clamp(0, 1)
    torch.testing.assert_close(weight_step(strategy, 1, 2), expected, rtol=0, atol=1e-6)


def test_options_that_are_out_get_no_weight_from_a_disturbance():
    strategy = Darts(perturbation=RandomSmoothing(size=0.9))
    logits = {"edge": LOGITS["edge"].index_fill(1, torch.tensor(2), -torch.inf)}
    strategy.begin_epoch(1, 2)
    values = strategy.relax(logits)["edge"].values
    assert (values[:, 2] == 0).all()
    torch.testing.assert_close(values.sum(1), torch.ones(5, dtype=torch.float64))


def test_the_adversary_finds_the_worst_disturbance_of_a_linear_loss():
    slopes = torch.randn(5, 4, dtype=torch.float64, generator=generator(1))
    adversary = Adversarial(size=0.2, steps=7)
    adversary.begin_epoch(1, 2)
    adversary.attack(lambda deltas: [slopes.clone() for _ in deltas], LOGITS, generator())
    zeros = torch.zeros(5, 4, dtype=torch.float64)
    torch.testing.assert_close(adversary.disturb("edge", zeros, generator()), 0.2 * slopes.sign())


# ---- the auxiliary skip ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2])
def test_an_edge_with_an_auxiliary_skip_is_its_formula(stride):
    torch.manual_seed(0)
    edge = MixedOp(("none", "skip_connect", "nor_conv_3x3"), 4, stride).double()
    beside = SkipBeside(edge, 4, stride).double()
    skip = build_op("skip_connect", 4, 4, stride=stride, affine=False).double()
    skip.load_state_dict(beside.skip.state_dict())
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    alpha = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    for epoch in range(4):
        beta = 1 - epoch / 4
        beside.share = beta
        mixed = sum(a * candidate(x) for a, candidate in zip(alpha, edge.candidates, strict=True))
        expected = beta * (x if stride == 1 else skip(x)) + mixed
        torch.testing.assert_close(beside(x, alpha), expected, rtol=0, atol=1e-12)


def test_a_node_with_auxiliary_skips_lacks_only_the_skips():
    space, adapter = NasBench201(channels=4, cells=1), AuxiliarySkip(start=0.6)
    supernet = space.supernet()
    adapter.adapt(supernet)
    adapter.begin_epoch(1, 4)
    assert adapter.share == pytest.approx(0.6 * 3 / 4)
    skips = [module for module in supernet.modules() if isinstance(module, SkipBeside)]
    assert {skip.share for skip in skips} == {adapter.share}


# ---- OLES ------------------------------------------------------------------------------------------------------------


def test_the_score_of_oles_is_the_mean_cosine_of_the_last_comparisons():
    supernet = NasBench201(channels=2, cells=1).supernet()
    guard = Oles(threshold=0.1, window=3)
    watched = guard.watch(supernet)
    draw = np.random.default_rng(0)
    seen = [[] for _ in watched]
    rests = [False] * len(watched)
    for _ in range(6):
        shared = [[draw.normal(size=p.shape) for p in operation] for operation in watched]
        halves = [[[s + 1.5 * draw.normal(size=s.shape) for s in operation] for operation in shared] for _ in range(2)]
        for number, (first, second) in enumerate(zip(*halves, strict=True)):
            a, b = (np.concatenate([g.ravel() for g in gradients]) for gradients in (first, second))
            seen[number].append(float(a @ b / np.sqrt((a @ a) * (b @ b))))
            scores = seen[number][-3:]
            rests[number] |= len(scores) == 3 and float(np.mean(scores)) < 0.1
        tensors = [[torch.tensor(g) for operation in half for g in operation] for half in halves]
        assert guard.compare(*tensors) == rests
    assert 0 < sum(rests) < len(rests)
    for number, cosines in enumerate(guard.state_dict()["cosines"]):
        if not rests[number]:
            assert cosines == pytest.approx(seen[number][-3:], abs=1e-6)


# ---- gradients along a draw ------------------------------------------------------------------------------------------


def test_the_gradient_of_a_dirichlet_draw_is_that_of_its_marginal_quantiles():
    """``dw_j/dc_i = -(dF/dc_i / f)(w_i) (delta_ij - w_j) / (1 - w_i)``, with F and f of ``w_i ~ Beta(c_i, C - c_i)``."""
    logits = torch.tensor([[0.4, -0.5, 1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    draw = Dirichlet().sample(logits, generator()).values[0]
    w, a = draw.detach().numpy(), logits.detach().numpy()[0]
    c = np.where(a > 0, a, np.expm1(a)) + 1
    expected = np.zeros((4, 4))
    step = 1e-6
    for i in range(4):
        rest = c.sum() - c[i]
        change = (betainc(c[i] + step, rest, w[i]) - betainc(c[i] - step, rest, w[i])) / (2 * step)
        density = np.exp((c[i] - 1) * np.log(w[i]) + (rest - 1) * np.log1p(-w[i]) - betaln(c[i], rest))
        elu = 1.0 if a[i] > 0 else np.exp(a[i])
        for j in range(4):
            expected[j, i] = -change / density * (float(i == j) - w[j]) / (1 - w[i]) * elu
    found = torch.stack([torch.autograd.grad(value, logits, retain_graph=True)[0][0] for value in draw])
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-3, atol=1e-4)
