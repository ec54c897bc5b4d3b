"""The Gaussian process behind Bayesian optimisation: its loss, its gradient, its prediction."""

import math
import statistics

import numpy as np
import pytest

from lightning_nas.strategies.blackbox.gaussian_process import GaussianProcess, normal_scores


def smooth(count=40, bits=5, seed=0):
    x = np.random.default_rng(seed).integers(0, 2, size=(count, bits)).astype(float)
    y = 2 * x[:, 0] - x[:, 1] + x[:, 0] * x[:, 2]
    return x, (y - y.mean()) / y.std()


def test_normal_scores_keep_the_order_and_tame_outliers():
    values = np.array([90.0, 10.0, 91.0, 90.5])
    scores = normal_scores(values)
    assert np.argsort(scores).tolist() == np.argsort(values).tolist()
    assert scores.mean() == pytest.approx(0, abs=1e-12)
    assert scores.std() == pytest.approx(1)
    quantiles = sorted(statistics.NormalDist().inv_cdf((rank + 0.5) / 4) for rank in range(4))
    np.testing.assert_allclose(np.sort(scores), np.array(quantiles) / np.std(quantiles))
    np.testing.assert_array_equal(normal_scores(np.ones(3)), np.zeros(3))


def test_the_gradient_is_that_of_the_loss():
    x, y = smooth()
    process = GaussianProcess()
    logs = np.random.default_rng(1).normal(-1.5, 0.5, size=6)
    _, gradient = process.loss(logs, x, y)
    for index in range(6):
        step = np.zeros(6)
        step[index] = 1e-5
        slope = (process.loss(logs + step, x, y)[0] - process.loss(logs - step, x, y)[0]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_the_loss_is_the_negative_log_likelihood_with_the_likeliest_amplitude():
    x, y = smooth(8)
    logs = np.log([0.3, 0.2, 0.1, 0.4, 0.5, 0.05])
    process = GaussianProcess(weight=0.2, noise=0.02, spread=0.7)
    distance = ((x[:, None] - x[None]) ** 2 * np.exp(logs[:5])).sum(axis=-1)
    base = np.exp(-distance) + (0.05 + 1e-6) * np.eye(8)
    prior = np.log([0.2] * 5 + [0.02])

    def likelihood(amplitude):
        covariance = amplitude * base
        log_det = np.linalg.slogdet(covariance)[1]
        return -0.5 * (y @ np.linalg.inv(covariance) @ y + log_det + 8 * math.log(2 * math.pi))

    best = max(likelihood(amplitude) for amplitude in np.exp(np.linspace(-5, 5, 4001)))
    expected = -best + 0.5 * np.sum(((logs - prior) / 0.7) ** 2)
    constant = 0.5 * 8 * (1 + math.log(2 * math.pi))
    assert process.loss(logs, x, y)[0] + constant == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("later", [(), (13, 13, 17, 20)], ids=["at_once", "row_by_row"])
def test_the_prediction_is_that_of_a_normal_distribution_given_the_data(later):
    x, y = smooth(20)
    first = 12 if later else 20
    process = GaussianProcess().fit(x[:first], y[:first])
    for count in later:
        process.condition(x[:count], y[:count] if count == 20 else y[:count] + 1)  # the values of old rows may change
    new = np.random.default_rng(7).integers(0, 2, size=(6, 5)).astype(float)
    everything = np.concatenate([new, x])
    weights, noise = np.exp(process.logs[:-1]), math.exp(process.logs[-1]) + 1e-6
    joint = np.exp(-((everything[:, None] - everything[None]) ** 2 * weights).sum(axis=-1))
    inverse = np.linalg.inv(joint[6:, 6:] + noise * np.eye(20))
    mean, deviation = process.predict(new)
    np.testing.assert_allclose(mean, joint[:6, 6:] @ inverse @ y, atol=1e-8)
    variance = np.diag(joint[:6, :6] - joint[:6, 6:] @ inverse @ joint[6:, :6]) * (y @ inverse @ y) / 20
    np.testing.assert_allclose(deviation**2, variance, atol=1e-8)


def test_bits_without_an_effect_get_small_weights():
    x, y = smooth(60)
    weights = np.exp(GaussianProcess().fit(x, y).logs[:-1])
    assert min(weights[0], weights[1]) > 2 * max(weights[3], weights[4])


@pytest.mark.parametrize("name", ["weight", "noise", "spread", "iterations"])
def test_bad_arguments_of_the_process_are_named(name):
    with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
        GaussianProcess(**{name: 0})


def test_equal_values_are_predicted_everywhere():
    """Networks that have learnt nothing yet all score 0."""
    x, _ = smooth(count=6)
    mean, spread = GaussianProcess().fit(x, normal_scores(np.zeros(6))).predict(x)
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    assert np.isfinite(spread).all()
