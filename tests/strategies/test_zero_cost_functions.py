"""synflow, jacob_cov, naswot, zen, params, macs: closed forms and brute force."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from zero_cost_networks import bumpy_probe, function_probe

from lightning_nas.strategies.zero_cost import Probe, build_score
from lightning_nas.strategies.zero_cost.naswot import agreement, log_determinant

# ---- synflow -------------------------------------------------------------------------------------------------------------


def chain(layers, norm=False):
    torch.manual_seed(layers)
    parts = []
    for index in range(layers - 1):
        parts += [
            nn.Conv2d(3, 3, 3, padding=1, bias=False),
            nn.BatchNorm2d(3) if norm else nn.Identity(),
            nn.ReLU(True),
        ]
        if norm:
            nn.init.constant_(parts[-2].weight, 0.3 + index)
            parts[-2].running_var.fill_(7.0)
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(3 * 4 * 4, 5, bias=False))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_every_layer_of_a_chain_without_biases_holds_the_whole_flow(layers, norm):
    model = chain(layers, norm)
    x = torch.ones(1, 3, 4, 4, dtype=torch.float64)
    for layer in model:  # R: ones through absolute weights; BatchNorm passes its input on
        if isinstance(layer, nn.Conv2d):
            x = nn.functional.conv2d(x, layer.weight.detach().double().abs(), padding=1)
        elif isinstance(layer, nn.Linear):
            x = x.flatten(1) @ layer.weight.detach().double().abs().T
    score = build_score("synflow")(function_probe(model, torch.randn(2, 3, 4, 4)))
    assert score == pytest.approx(layers * x.sum().item(), rel=1e-12)
    assert score > 0


def test_synflow_of_a_layer_with_a_bias_is_the_weights_part():
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -2.0], [0.5, -0.25]]))
        model.bias.copy_(torch.tensor([-10.0, 10.0]))
    assert build_score("synflow")(function_probe(model, torch.zeros(1, 1, 1, 2))) == 3.75
    twice = nn.Sequential(model, nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        twice[1].weight.copy_(torch.tensor([[-1.0, 2.0]]))
    # second layer: 1 * (3 + 10) + 2 * (0.75 + 10); first layer: 1 * 3 + 2 * 0.75
    assert build_score("synflow")(function_probe(twice, torch.zeros(1, 1, 1, 2))) == 34.5 + 4.5


# ---- jacob_cov -----------------------------------------------------------------------------------------------------------


def test_jacob_cov_equals_a_loop_over_images_and_numpy():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 4, 3)).double()
    x = torch.randn(5, 3, 4, 4).double()
    rows = []
    for image in x:
        image = image[None].clone().requires_grad_()
        model(image).sum().backward()
        rows.append(image.grad.flatten().numpy())
    v = np.linalg.eigvals(np.corrcoef(np.stack(rows))).real
    expected = -np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5))
    assert build_score("jacob_cov")(function_probe(model, x)) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_of_a_linear_network_has_one_eigenvalue():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).double()  # the gradient is the same everywhere
    k, images = 1e-5, 3
    expected = -(math.log(images + k) + 1 / (images + k) + (images - 1) * (math.log(k) + 1 / k))
    probe = function_probe(model, torch.randn(images, 3, 2, 2).double())
    assert build_score("jacob_cov")(probe) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_of_outputs_without_the_image_is_minus_infinity():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    probe = Probe(model, torch.randn(3, 3, 2, 2), lambda: None, lambda x: model(0 * x))
    assert build_score("jacob_cov")(probe) == -math.inf
    detached = Probe(model, torch.randn(3, 3, 2, 2), lambda: None, lambda x: model(torch.ones_like(x)))
    assert build_score("jacob_cov")(detached) == -math.inf


# ---- naswot --------------------------------------------------------------------------------------------------------------


class Rectified(nn.Module):
    """Three ways of ReLU, and a branch that leads nowhere."""

    def __init__(self, dead):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.third = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(16, 4)
        self.relu, self.dead = nn.ReLU(inplace=True), dead

    def forward(self, x):
        x = self.relu(self.first(x))
        self.codes = [x.flatten(1) > 0]
        if self.dead:
            torch.relu(x - 0.1)
        x = nn.functional.relu(self.second(x))
        self.codes.append(x.flatten(1) > 0)
        x = torch.relu(self.third(x.flatten(1)))
        self.codes.append(x > 0)
        return x


@pytest.mark.parametrize("dead", [False, True])
def test_naswot_equals_counted_agreements(dead):
    model, x = Rectified(dead), torch.randn(5, 3, 6, 6)
    model(x)
    codes = torch.cat(model.codes, 1).tolist()
    kernel = [[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes]
    expected = np.linalg.slogdet(np.array(kernel, dtype=np.float64))[1]
    assert build_score("naswot")(function_probe(model, x)) == pytest.approx(expected, rel=1e-10)


def test_naswot_of_equal_images_is_minus_infinity():
    x = torch.randn(5, 3, 6, 6)
    assert math.isfinite(build_score("naswot")(function_probe(Rectified(False), x)))
    x[3] = x[0]
    assert build_score("naswot")(function_probe(Rectified(False), x)) == -math.inf


def test_kernel_and_determinant_by_hand():
    codes = torch.tensor([[1, 1, 0], [1, 0, 0]]) > 0
    assert agreement(codes).tolist() == [[3, 2], [2, 3]]
    assert log_determinant(agreement(codes)) == pytest.approx(math.log(5))
    rank_two = torch.tensor([[2.0, 1, 1], [1, 2, -1], [1, -1, 2]], dtype=torch.float64)
    assert log_determinant(rank_two) == -math.inf
    for seed in range(20):  # whichever way the zero eigenvalue is rounded
        codes = torch.rand(8, 500, generator=torch.Generator().manual_seed(seed)) > 0.5
        codes[7] = codes[2]
        assert log_determinant(agreement(codes)) == -math.inf


# ---- zen -----------------------------------------------------------------------------------------------------------------


def linear_draws(repeats, seed, shape, weights):
    """What Zen draws: the weights of every layer, images, noise, draw by draw."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(repeats):
        drawn = [torch.randn(weight, generator=generator).numpy() for weight in weights]
        yield drawn, torch.randn(shape, generator=generator).numpy(), torch.randn(shape, generator=generator).numpy()


@pytest.mark.parametrize("arguments", [{}, {"gamma": 0.5}, {"seed": 3}, {"repeats": 5}, {"batch_size": 7}], ids=str)
def test_zen_of_a_linear_network_by_hand(arguments):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1, bias=False)).double()  # the biases drop out
    settings = {"repeats": 2, "gamma": 0.01, "seed": 0, "batch_size": 6, **arguments}
    values = []
    shape = (settings["batch_size"], 3, 5, 5)
    for (first, second), _, noise in linear_draws(
        settings["repeats"], settings["seed"], shape, [(4, 3, 1, 1), (2, 4, 1, 1)]
    ):
        product = np.einsum("ij,jk,bkhw->bihw", second[:, :, 0, 0], first[:, :, 0, 0], noise)
        values.append(math.log(settings["gamma"] * np.abs(product).sum((1, 2, 3)).mean()))
    probe = function_probe(model, torch.zeros(6, 3, 5, 5, dtype=torch.float64))
    assert build_score("zen", **{"repeats": 2, **arguments})(probe) == pytest.approx(np.mean(values), rel=1e-5)


def test_zen_adds_what_batch_norm_divides_by():
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2, eps=1e-12)).double()
    nn.init.constant_(model[1].weight, 50.0)  # drawn anew: 1
    ((weight,), x, noise) = next(linear_draws(1, 0, (8, 3, 4, 4), [(2, 3, 1, 1)]))
    clean, changed = (np.einsum("ij,bjhw->bihw", weight[:, :, 0, 0], z) for z in (x, x + 0.01 * noise))
    scaled = [(z - z.mean((0, 2, 3), keepdims=True)) / z.std((0, 2, 3), keepdims=True) for z in (clean, changed)]
    scale = math.sqrt(clean.var((0, 2, 3)).mean())
    expected = math.log(np.abs(scaled[0] - scaled[1]).sum((1, 2, 3)).mean()) + math.log(scale)
    probe = function_probe(model, torch.zeros(8, 3, 4, 4, dtype=torch.float64))
    assert build_score("zen", repeats=1)(probe) == pytest.approx(expected, rel=1e-4)


def test_zen_leaves_out_branches_that_carry_nothing():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.dead, self.norm = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
            self.share = 0.0

        def forward(self, x):
            return self.conv(x) + self.norm(self.dead(self.share * x))

    dead, probe = Dead(), torch.zeros(4, 3, 4, 4)
    alone = build_score("zen", repeats=3)(Probe(dead, probe, lambda: None, dead, dead.conv))
    assert build_score("zen", repeats=3)(function_probe(dead, probe)) == pytest.approx(alone, rel=1e-6)
    dead.share = 1.0
    assert build_score("zen", repeats=3)(function_probe(dead, probe)) > alone + 0.1
    constant = Probe(dead, probe, lambda: None, dead, lambda x: dead.conv(0 * x))
    assert build_score("zen", repeats=3)(constant) == -math.inf


# ---- params, macs --------------------------------------------------------------------------------------------------------


def test_sizes_are_counted():
    probe = bumpy_probe()
    assert build_score("params")(probe) == (27 * 6 + 6) + 2 * 6 + 54 * 8 + 2 * 8 + (8 * 4 + 4)
    assert build_score("macs")(probe) == 64 * 27 * 6 + 16 * 54 * 8 + 8 * 4


# ---- mistakes ------------------------------------------------------------------------------------------------------------


def test_mistakes_are_named():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    one = function_probe(model, torch.randn(1, 3, 1, 1))
    with pytest.raises(ValueError, match="images must be at least 2, got 1"):
        build_score("jacob_cov")(one)
    with pytest.raises(ValueError, match="naswot compares ReLUs"):
        build_score("naswot")(one)
    with pytest.raises(ValueError, match="features = None"):
        build_score("zen")(Probe(model, torch.randn(2, 3, 1, 1), lambda: None, model))
    for wrong in ({"repeats": 0}, {"batch_size": 0}, {"gamma": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            build_score("zen", **wrong)
