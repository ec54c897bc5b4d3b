import numpy as np
import pytest

from lightning_nas.cost import AdditiveLatency


def measured(count, noise=0.0):
    rng = np.random.default_rng(1)
    bits, macs = rng.integers(0, 2, (count, 10)), rng.uniform(1e6, 9e6, count)
    clean = 2 + macs / 1e6 + bits @ np.linspace(0, 1, 10)
    return bits, macs, clean * (1 + noise * rng.standard_normal(count))


def test_a_sum_is_found_and_architectures_that_were_not_measured_follow():
    bits, macs, times = measured(60)
    model = AdditiveLatency.fit(bits[:40], macs[:40], times[:40])
    np.testing.assert_allclose(model.predict(bits[40:], macs[40:]), times[40:], rtol=1e-3)
    assert model.residual <= model.worst < 1e-3
    assert model.count == 40


def test_the_residual_is_that_of_measurements_that_were_left_out():
    bits, macs, times = measured(60, noise=0.1)
    model = AdditiveLatency.fit(bits[:40], macs[:40], times[:40])
    fitted = np.median(np.abs(model.predict(bits[:40], macs[:40]) - times[:40]) / times[:40])
    unseen = np.median(np.abs(model.predict(bits[40:], macs[40:]) - times[40:]) / times[40:])
    assert fitted < model.residual
    assert model.residual == pytest.approx(unseen, abs=0.06)
    assert "40 measured networks" in str(model)


def test_bits_that_are_the_same_everywhere_do_no_harm():
    bits, macs, times = measured(20)
    bits = np.column_stack([bits, np.ones(20)])
    assert np.isfinite(AdditiveLatency.fit(bits, macs, times).predict(bits, macs)).all()


def test_too_few_measurements_are_refused():
    bits, macs, times = measured(7)
    with pytest.raises(ValueError, match="at least 8 values"):
        AdditiveLatency.fit(bits, macs, times)
