"""grad_norm, snip, grasp, fisher: each against its formula, written out."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from zero_cost_networks import bumpy_probe, classifier_probe

from lightning_nas.strategies.zero_cost import Probe, build_score

# ---- grad_norm -----------------------------------------------------------------------------------------------------------


def test_grad_norm_adds_the_norms_of_the_layers():
    probe = bumpy_probe()
    probe.model.body[3].p = 0.0
    probe.loss().backward()
    layers = (probe.model.body[0], probe.model.body[4], probe.model.head)
    expected = sum(layer.weight.grad.norm().item() for layer in layers)  # neither biases nor BatchNorm
    assert build_score("grad_norm")(probe) == pytest.approx(expected, rel=1e-5)


def test_a_shared_weight_counts_once_and_an_unused_one_not():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    model[2].weight = model[0].weight
    model.register_module("unused", nn.Linear(2, 2))
    x = torch.randn(5, 1, 1, 4)
    probe = Probe(model, x, lambda: model[:3](x).square().mean(), model)
    (gradient,) = torch.autograd.grad(probe.loss(), model[0].weight)
    assert build_score("grad_norm")(probe) == pytest.approx(gradient.norm().item(), rel=1e-5)


def test_a_frozen_weight_counts_like_any_other():
    free, frozen = bumpy_probe(), bumpy_probe()
    frozen.model.body[0].weight.requires_grad_(False)
    for name in ("grad_norm", "snip", "grasp", "synflow"):
        assert build_score(name)(frozen) == build_score(name)(free)


# ---- snip ----------------------------------------------------------------------------------------------------------------


def test_snip_of_a_linear_regression():
    torch.manual_seed(0)
    x, y = torch.randn(7, 5).double(), torch.randn(7, 1).double()
    model = nn.Linear(5, 1, bias=False).double()
    probe = Probe(model, x[:, None, None], lambda: (model(x) - y).square().mean(), model)
    w = model.weight.detach()
    gradient = 2 / 7 * (x @ w.T - y).T @ x  # of the mean of (xw - y)^2
    assert build_score("snip")(probe) == pytest.approx((w * gradient).abs().sum().item(), rel=1e-12)


# ---- grasp ---------------------------------------------------------------------------------------------------------------


def test_grasp_equals_the_explicit_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, labels = torch.randn(6, 3, 1, 1).double(), torch.randint(2, (6,))
    shapes = {"1.weight": (4, 3), "3.weight": (2, 4)}

    def loss(flat):
        parts = flat.split([12, 8])
        weights = {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        return nn.functional.cross_entropy(functional_call(model, weights, (x,)), labels)

    w = torch.cat([model[1].weight.flatten(), model[3].weight.flatten()]).detach()
    hessian = torch.autograd.functional.hessian(loss, w)
    gradient = torch.autograd.functional.jacobian(loss, w)
    expected = -(w @ (hessian @ gradient)).item()
    assert build_score("grasp")(classifier_probe(model, x, labels)) == pytest.approx(expected, rel=1e-10)
    assert expected != 0


def test_grasp_of_a_linear_loss_is_zero_and_of_a_quadratic_a_closed_form():
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 3.0)
    x = torch.ones(2, 1, 1, 1).double()
    assert build_score("grasp")(Probe(model, x, lambda: model(x).mean(), model)) == 0
    quadratic = Probe(model, x, lambda: model(x).square().mean(), model)  # w^2: g = 6, H = 2
    assert build_score("grasp")(quadratic) == pytest.approx(-3 * 2 * 6)


# ---- fisher --------------------------------------------------------------------------------------------------------------


def test_fisher_equals_a_loop_over_samples_and_channels():
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False)
    head = nn.Linear(6, 5)
    model = nn.Sequential(first, nn.SiLU(inplace=True), second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).double()
    x, labels = torch.randn(3, 3, 4, 4).double(), torch.tensor([0, 4, 2])
    expected = 0.0
    for image, label in zip(x, labels, strict=True):
        a = first(image[None])
        b = second(nn.functional.silu(a))
        c = head(b.mean((2, 3)))
        loss = nn.functional.cross_entropy(c, label[None]) / 3  # its part of the batch's mean
        for layer, activation in ((first, a), (second, b), (head, c)):
            (gradient,) = torch.autograd.grad(loss, activation, retain_graph=True)
            for channel in range(activation.shape[1]):
                product = (activation[0, channel] * gradient[0, channel]).sum().item()
                expected += layer.weight[channel].numel() * 0.5 * product**2 / 3
    assert build_score("fisher")(classifier_probe(model, x, labels)) == pytest.approx(expected, rel=1e-10)


def test_fisher_of_a_linear_layer_on_tokens_sums_over_the_tokens():
    layer = nn.Linear(2, 3, bias=False).double()
    x = torch.randn(2, 1, 5, 2).double()  # (B, ..., in_features)
    weight = torch.randn(2, 1, 5, 3).double()
    probe = Probe(layer, x, lambda: (layer(x) * weight).sum(), layer)
    per_channel = (layer(x) * weight).sum((1, 2)).detach()
    assert build_score("fisher")(probe) == pytest.approx((2 * per_channel.square().mean(0).sum() / 2).item())


# ---- mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grad_norm", "snip", "grasp", "fisher"])
def test_what_a_loss_must_be_is_said(name):
    model, x = nn.Linear(2, 2), torch.ones(1, 1, 1, 2)
    with pytest.raises(ValueError, match=r"loss must return a scalar tensor, got shape \(1, 1, 1, 2\)"):
        build_score(name)(Probe(model, x, lambda: model(x), model))
    with pytest.raises(ValueError, match="loss must return a scalar tensor, got float"):
        build_score(name)(Probe(model, x, lambda: 1.0, model))
    with pytest.raises(ValueError, match="depends on the model"):
        build_score(name)(Probe(model, x, lambda: torch.tensor(1.0), model))
    with pytest.raises(ValueError, match="Identity without any"):
        build_score(name)(Probe(nn.Identity(), x, lambda: model(x).sum(), model))
