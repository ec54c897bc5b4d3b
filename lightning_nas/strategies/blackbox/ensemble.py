"""An ensemble of small networks that predicts a value and how sure it is, trained as one batched network.

Source: White, Neiswanger, Savani 2021, arXiv 1910.11858, section 5: five networks of ten layers of 20 units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.blackbox.encoding import Array

Single = npt.NDArray[np.float32]

_MOMENTA, _EPSILON = (0.9, 0.999), 1e-8  # of Adam


class Ensemble:
    """Networks of equal shape that differ in their first weights and the order of their batches.

    The loss is the paper's, ``Σ |(ŷ - y_lb) / (y - y_lb) - 1|``, with the lower bound ``y_lb`` of the error ``y``: errors
    count more where the value is good. One array holds a layer of all members, so that a step is a few batched matrix
    products. No member sees another: each is what it would be if it were trained alone. A step has so little to compute
    that a framework's calls would take most of the time, so the gradient is written out here.

    Args:
        seeds: One per member, of its first weights and its batches.
        layers: Hidden layers.
        width: Units of each.
        lr: Of Adam (Kingma, Ba 2015, arXiv 1412.6980).
        epochs: Passes over the data.
        batch_size: Architectures per step.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        layers: int = 10,
        width: int = 20,
        lr: float = 0.01,
        epochs: int = 150,
        batch_size: int = 32,
    ) -> None:
        counts = {"seeds": len(seeds), "layers": layers, "width": width, "epochs": epochs, "batch_size": batch_size}
        for name, value in counts.items():
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, got {value}")
        if lr <= 0:
            raise ArgumentError(f"lr must be positive, got {lr}")
        self.seeds, self.layers, self.width = list(seeds), layers, width
        self.lr, self.epochs, self.batch_size = lr, epochs, batch_size
        self._unit = 1.0

    def fit(self, features: Array, gaps: Array) -> Ensemble:
        """Trains all members from the start.

        Args:
            features: ``(architectures, bits)``.
            gaps: Distance ``y - y_lb`` of each one's error to a lower bound, positive. Their median is the unit of the
                networks' outputs, which leaves the loss as it is.
        """
        generators = [np.random.default_rng(seed) for seed in self.seeds]
        self._unit = float(np.median(gaps))
        x, y = features.astype(np.float32), (gaps / self._unit).astype(np.float32)
        self._first_weights(x.shape[1], generators)
        first, second = np.zeros_like(self._parameters), np.zeros_like(self._parameters)
        steps = 0
        for _ in range(self.epochs):
            # (members, architectures)
            order = np.stack([generator.permutation(len(x)) for generator in generators])
            for start in range(0, len(x), self.batch_size):
                rows = order[:, start : start + self.batch_size]
                steps += 1
                self._adam(self._gradient(x[rows], y[rows]), first, second, steps)
        return self

    def members(self, features: Array) -> Single:
        """``(members, architectures)``, predicted gaps."""
        x = features.astype(np.float32)
        return self._forward(np.broadcast_to(x, (len(self.seeds), *x.shape)))[-1][..., 0] * self._unit

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the members' predictions (zero of a single one)."""
        predicted = self.members(features).astype(np.float64)
        return predicted.mean(axis=0), predicted.std(axis=0, ddof=int(len(self.seeds) > 1))

    def _first_weights(self, inputs: int, generators: Sequence[np.random.Generator]) -> None:
        """Uniform weights (Glorot, Bengio 2010), no biases; all of them are views of one array ``(members, numbers)``."""
        shapes = list(pairwise([inputs, *[self.width] * self.layers, 1]))
        self._parameters = np.zeros((len(generators), sum(a * b + b for a, b in shapes)), np.float32)
        self._slopes = np.zeros_like(self._parameters)
        self.weights, self.biases = _views(self._parameters, shapes)
        self._weight_slopes, self._bias_slopes = _views(self._slopes, shapes)
        for weight, (fan_in, fan_out) in zip(self.weights, shapes, strict=True):
            limit = math.sqrt(6 / (fan_in + fan_out))
            weight[:] = [generator.uniform(-limit, limit, (fan_in, fan_out)) for generator in generators]

    def _forward(self, x: Single) -> list[Single]:
        """``(members, batch, bits)`` -> what every layer gets, and the output ``(members, batch, 1)``."""
        values = [x]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            value = values[-1] @ weight
            value += bias
            values.append(value)
            if weight is not self.weights[-1]:
                np.maximum(value, 0.0, out=value)
        return values

    def _gradient(self, x: Single, y: Single) -> Single:
        """Of the loss of one batch ``(members, batch, bits)`` and ``(members, batch)``, by all parameters."""
        *inputs, output = self._forward(x)
        slope = (np.sign(output[..., 0] - y) / y)[..., None]
        for layer in reversed(range(len(inputs))):
            np.matmul(inputs[layer].transpose(0, 2, 1), slope, out=self._weight_slopes[layer])
            slope.sum(axis=1, keepdims=True, out=self._bias_slopes[layer])
            if layer > 0:
                slope = slope @ self.weights[layer].transpose(0, 2, 1)
                slope *= inputs[layer] > 0
        return self._slopes

    def _adam(self, gradient: Single, first: Single, second: Single, steps: int) -> None:
        """One step, in place; ``first`` and ``second`` are the moments, ``steps`` counts from 1."""
        for moment, beta, term in ((first, _MOMENTA[0], gradient), (second, _MOMENTA[1], gradient * gradient)):
            moment *= beta
            moment += (1 - beta) * term
        bias = [1 - beta**steps for beta in _MOMENTA]
        change = np.sqrt(second)
        change /= math.sqrt(bias[1])
        change += _EPSILON
        np.divide(first, change, out=change)
        change *= self.lr / bias[0]
        self._parameters -= change


def _views(numbers: Single, shapes: Sequence[tuple[int, int]]) -> tuple[list[Single], list[Single]]:
    """Weights ``(members, in, out)`` and biases ``(members, 1, out)`` of every layer, which share the memory of the array."""
    weights, biases, start = [], [], 0
    for fan_in, fan_out in shapes:
        end = start + fan_in * fan_out
        weights.append(numbers[:, start:end].reshape(-1, fan_in, fan_out))
        biases.append(numbers[:, None, end : end + fan_out])
        start = end + fan_out
    return weights, biases
