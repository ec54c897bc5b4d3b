"""A Gaussian process over architectures: exact, with a length scale for every bit of their encoding.

Source: Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", chapters 2 and 5.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import cholesky, solve_triangular  # type: ignore[import-untyped]
from scipy.linalg.lapack import dpotri  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import ndtri  # type: ignore[import-untyped]
from scipy.stats import rankdata  # type: ignore[import-untyped]

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.blackbox.encoding import Array

_BOUNDS = ((-8.0, 4.0), (-9.0, 1.0))  # of the logarithms of weights and noise
_JITTER = 1e-6
_LEAST = 1e-12


def normal_scores(values: Array) -> Array:
    """Values replaced by the quantiles of a normal distribution that their ranks have, with variance 1.

    Outliers, such as networks that learn nothing, lose their weight; only the order counts (Salinas, Shen, Perrone 2020,
    "A Quantile-based Approach for Hyperparameter Transfer Learning", arXiv 1909.13595).
    """
    scores = ndtri((rankdata(values) - 0.5) / len(values))
    return (scores - scores.mean()) / max(float(scores.std()), 1e-9)


class GaussianProcess:
    """``y ~ N(0, a (K + σ² I))`` with the kernel ``k(x, x') = exp(-Σ w_b (x_b - x'_b)²)``.

    On a one-hot encoding the exponent is a Hamming distance in which two options are ``w + w'`` apart. The weights and the
    noise are those of the largest posterior probability, with normal priors on their logarithms; the amplitude ``a`` is the
    most likely one given them, ``yᵀ (K + σ² I)⁻¹ y / n``.

    Args:
        weight: Median of the prior of every weight ``w_b``.
        noise: Median of the prior of the noise ``σ²``.
        spread: Standard deviation of both priors, of the logarithm.
        iterations: At most so many steps of L-BFGS.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, *, weight: float = 0.15, noise: float = 0.01, spread: float = 1.0, iterations: int = 15) -> None:
        for name, value in (("weight", weight), ("noise", noise), ("spread", spread), ("iterations", iterations)):
            if value <= 0:
                raise ArgumentError(f"{name} must be positive, got {value}")
        self.weight, self.noise, self.spread, self.iterations = weight, noise, spread, iterations

    def fit(self, x: Array, y: Array) -> GaussianProcess:
        """Finds weights and noise, then conditions on the data.

        Args:
            x: ``(n, bits)``.
            y: ``(n,)``, about centred.
        """
        start = self._prior(x.shape[1])
        bounds = [_BOUNDS[0]] * x.shape[1] + [_BOUNDS[1]]
        options = {"maxiter": self.iterations}
        self.logs: Array = minimize(
            self.loss, start, args=(x, y), jac=True, method="L-BFGS-B", bounds=bounds, options=options
        ).x
        self._x, self._factor = x[:0], np.empty((0, 0))
        return self.condition(x, y)

    def condition(self, x: Array, y: Array) -> GaussianProcess:
        """Learns the data with weights and noise as they are.

        Args:
            x: ``(n, bits)``; rows that it has been given since the last fit, in the same order, and perhaps more below them.
            y: ``(n,)``; all of them may be others than before.
        """
        self._extend(x)
        whitened = solve_triangular(self._factor, y, lower=True, check_finite=False)
        self.amplitude = float(whitened @ whitened) / len(y)
        self._solved = solve_triangular(self._factor, whitened, lower=True, trans=1, check_finite=False)
        return self

    def _extend(self, x: Array) -> None:
        """Adds rows to the Cholesky factor of ``K + σ² I``, which costs the square of their number and not the cube."""
        old, new = self._x, x[len(self._x) :]
        if not len(new):
            return
        beside = solve_triangular(self._factor, self.kernel(old, new), lower=True, check_finite=False)  # (old, new)
        own = self.kernel(new, new) - beside.T @ beside
        own[np.diag_indices(len(new))] += math.exp(self.logs[-1]) + _JITTER
        corner = cholesky(own, lower=True, check_finite=False)
        self._factor = np.block([[self._factor, np.zeros_like(beside)], [beside.T, corner]])
        self._x = x

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the function, without noise."""
        kernel = self.kernel(x, self._x)
        whitened = solve_triangular(self._factor, kernel.T, lower=True, check_finite=False)
        variance = np.maximum(1.0 - (whitened * whitened).sum(axis=0), 1e-9)
        return kernel @ self._solved, np.sqrt(self.amplitude * variance)

    def kernel(self, first: Array, second: Array) -> Array:
        """``(rows of first, rows of second)``."""
        return np.exp(-_distance(first, second, np.exp(self.logs[:-1])))

    def loss(self, logs: Array, x: Array, y: Array) -> tuple[float, Array]:
        """Negative logarithm of the posterior probability of weights and noise, up to a constant, and its gradient."""
        n, weights, noise = len(y), np.exp(logs[:-1]), math.exp(logs[-1])
        kernel = np.exp(-_distance(x, x, weights))
        factor = cholesky(kernel + (noise + _JITTER) * np.eye(n), lower=True, check_finite=False)
        lower = np.tril(dpotri(factor, lower=1)[0])
        inverse = lower + np.tril(lower, -1).T
        solved = inverse @ y
        amplitude = max(float(y @ solved) / n, _LEAST)  # 0 where all values are equal
        off = (logs - self._prior(x.shape[1])) / self.spread
        loss = 0.5 * n * math.log(amplitude) + float(np.log(np.diag(factor)).sum()) + 0.5 * float(off @ off)
        outer = np.outer(solved, solved) / amplitude - inverse  # d(log likelihood) = ½ tr(outer · dK)
        slope = outer * kernel
        by_weight = slope.sum(axis=1) @ (x * x) - ((x.T @ slope) * x.T).sum(axis=1)
        gradient = np.append(by_weight * weights, -0.5 * np.trace(outer) * noise)
        return loss, gradient + off / self.spread

    def _prior(self, bits: int) -> Array:
        return np.append(np.full(bits, math.log(self.weight)), math.log(self.noise))


def _distance(first: Array, second: Array, weights: Array) -> Array:
    """``Σ w_b (x_b - x'_b)²`` of all pairs."""
    weighted = first * weights
    squares = (weighted * first).sum(axis=1)[:, None] + (second * second) @ weights
    return np.maximum(squares - 2.0 * weighted @ second.T, 0.0)
