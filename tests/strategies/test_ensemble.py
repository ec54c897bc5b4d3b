"""The ensemble of networks: its loss, that its members do not touch each other, that it learns."""

import numpy as np
import pytest
import torch

from lightning_nas.strategies.blackbox.ensemble import Ensemble


def data(count=120, bits=6, seed=0):
    """Bits, and a smooth positive function of them."""
    x = np.random.default_rng(seed).integers(0, 2, size=(count, bits)).astype(float)
    return x, 1.0 + x @ np.arange(1.0, bits + 1) + 2 * x[:, 0] * x[:, 1]


def test_it_learns_a_smooth_function():
    x, y = data()
    mean, _ = Ensemble(range(5)).fit(x, y).predict(x)
    assert np.mean(np.abs(mean / y - 1)) < 0.1
    assert np.mean(np.abs(np.median(y) / y - 1)) > 0.2


def test_members_together_are_as_members_alone():
    x, y = data(50)
    seeds = [3, 11, 7]
    together = Ensemble(seeds, epochs=4).fit(x, y).members(x)
    for seed, member in zip(seeds, together, strict=True):
        alone = Ensemble([seed], epochs=4).fit(x, y).members(x)[0]
        np.testing.assert_allclose(member, alone, rtol=1e-4, atol=1e-4)


def test_a_network_is_that_of_torch_trained_by_its_own_loop():
    """Autograd and Adam of PyTorch, one member alone, and the loss as in the paper."""
    x, y = data(10)
    batch, epochs = 4, 3
    ensemble = Ensemble([5, 6], layers=2, width=3, epochs=epochs, batch_size=batch)
    ensemble._first_weights(x.shape[1], [np.random.default_rng(seed) for seed in (5, 6)])
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)
    )
    generator = np.random.default_rng(6)
    with torch.no_grad():
        for layer, weight in zip(net[::2], ensemble.weights, strict=True):
            limit = (6 / sum(weight.shape[1:])) ** 0.5
            assert np.abs(weight).max() <= limit
            drawn = generator.uniform(-limit, limit, weight.shape[1:])
            layer.weight.copy_(torch.tensor(drawn.T))
            layer.bias.zero_()
    inputs, gaps = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    scale = np.median(y)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(epochs):
        for rows in torch.tensor(generator.permutation(10)).split(batch):
            optimizer.zero_grad()
            ((net(inputs[rows])[:, 0] * scale) / gaps[rows] - 1).abs().sum().backward()
            optimizer.step()
    expected = (net(inputs)[:, 0] * scale).detach().numpy()
    np.testing.assert_allclose(ensemble.fit(x, y).members(x)[1], expected, rtol=1e-4, atol=1e-4)


def test_mean_and_deviation_are_those_of_the_members():
    x, y = data(30)
    ensemble = Ensemble([1, 2, 3], epochs=3).fit(x, y)
    members = ensemble.members(x).astype(float)
    mean, deviation = ensemble.predict(x)
    np.testing.assert_allclose(mean, members.mean(axis=0))
    np.testing.assert_allclose(deviation, members.std(axis=0, ddof=1))
    assert deviation.min() > 0
    assert np.all(Ensemble([1], epochs=3).fit(x, y).predict(x)[1] == 0)


def test_the_unit_of_the_values_does_not_matter():
    x, y = data(30)
    small, large = (Ensemble([1, 2], epochs=5).fit(x, unit * y).members(x) / unit for unit in (1.0, 1024.0))
    np.testing.assert_array_equal(small, large)


def test_the_same_seed_gives_the_same_and_another_does_not():
    x, y = data(30)
    first, same, other = (Ensemble([seed], epochs=2).fit(x, y).members(x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("change", [{"layers": 3}, {"width": 8}, {"lr": 0.1}, {"epochs": 3}, {"batch_size": 8}])
def test_every_argument_changes_the_result(change):
    x, y = data(30)
    before, after = (Ensemble([1], **{"epochs": 2, **more}).fit(x, y).members(x) for more in ({}, change))
    assert not np.allclose(before, after)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": []}, "seeds must be at least 1, got 0"),
        ({"seeds": [0], "layers": 0}, "layers must be at least 1, got 0"),
        ({"seeds": [0], "width": 0}, "width must be at least 1, got 0"),
        ({"seeds": [0], "epochs": 0}, "epochs must be at least 1, got 0"),
        ({"seeds": [0], "batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"seeds": [0], "lr": 0.0}, r"lr must be positive, got 0\.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Ensemble(**arguments)
