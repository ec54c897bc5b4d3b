"""The ensemble of networks: its loss, that its members do not touch each other, that it learns."""

import numpy as np
import pytest
import torch

from lightning_nas.strategies.blackbox.ensemble import Ensemble, relative_error


def data(count=120, bits=6, seed=0):
    """Bits, and a smooth positive function of them."""
    x = np.random.default_rng(seed).integers(0, 2, size=(count, bits)).astype(float)
    return x, 1.0 + x @ np.arange(1.0, bits + 1) + 2 * x[:, 0] * x[:, 1]


def test_the_loss_of_a_case_worked_by_hand():
    # |2/4 - 1| + |5/5 - 1| + |3/2 - 1|
    assert relative_error(torch.tensor([2.0, 5.0, 3.0]), torch.tensor([4.0, 5.0, 2.0])).item() == pytest.approx(1.0)
    predicted = torch.tensor([2.0, 3.0], requires_grad=True)
    relative_error(predicted, torch.tensor([4.0, 2.0])).backward()
    assert predicted.grad.tolist() == [-0.25, 0.5]  # an error of a small gap counts more


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
        torch.testing.assert_close(member, alone, rtol=1e-4, atol=1e-4)


def test_a_network_is_that_of_torch_trained_by_its_own_loop():
    x, y = data(10)
    batch, epochs = 4, 3
    ensemble = Ensemble([5], layers=2, width=3, epochs=epochs, batch_size=batch)
    ensemble._first_weights(x.shape[1], [torch.Generator().manual_seed(5)])
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)
    )
    with torch.no_grad():
        for layer, weight in zip(net[::2], ensemble.weights, strict=True):
            layer.weight.copy_(weight[0].T)
            layer.bias.zero_()
    generator = torch.Generator().manual_seed(5)
    for weight in ensemble.weights:
        torch.rand(weight.shape[1:], generator=generator)
    inputs, gaps = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    scale = gaps.median()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(10, generator=generator).split(batch):
            optimizer.zero_grad()
            ((net(inputs[rows])[:, 0] * scale - gaps[rows]) / gaps[rows]).abs().sum().backward()
            optimizer.step()
    expected = (net(inputs)[:, 0] * scale).detach()
    torch.testing.assert_close(ensemble.fit(x, y).members(x)[0], expected, rtol=1e-4, atol=1e-4)


def test_mean_and_deviation_are_those_of_the_members():
    x, y = data(30)
    ensemble = Ensemble([1, 2, 3], epochs=3).fit(x, y)
    members = ensemble.members(x).double().numpy()
    mean, deviation = ensemble.predict(x)
    np.testing.assert_allclose(mean, members.mean(axis=0))
    np.testing.assert_allclose(deviation, members.std(axis=0, ddof=1))
    assert deviation.min() > 0
    assert np.all(Ensemble([1], epochs=3).fit(x, y).predict(x)[1] == 0)


def test_the_unit_of_the_values_does_not_matter():
    x, y = data(30)
    small, large = (Ensemble([1, 2], epochs=5).fit(x, unit * y).members(x) / unit for unit in (1.0, 1024.0))
    torch.testing.assert_close(small, large)


def test_the_global_random_numbers_are_left_alone():
    x, y = data(30)
    state = torch.random.get_rng_state()
    first = Ensemble([1], epochs=2).fit(x, y).members(x)
    torch.manual_seed(5)
    second = Ensemble([1], epochs=2).fit(x, y).members(x)
    torch.random.set_rng_state(state)
    assert torch.equal(first, second)


@pytest.mark.parametrize("change", [{"layers": 3}, {"width": 8}, {"lr": 0.1}, {"epochs": 3}, {"batch_size": 8}])
def test_every_argument_changes_the_result(change):
    x, y = data(30)
    before, after = (Ensemble([1], **{"epochs": 2, **more}).fit(x, y).members(x) for more in ({}, change))
    assert not torch.allclose(before, after)


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
