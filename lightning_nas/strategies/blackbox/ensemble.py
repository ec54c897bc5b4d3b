"""An ensemble of small networks that predicts a value and how sure it is, trained as one batched network.

Source: White, Neiswanger, Savani 2021, arXiv 1910.11858, section 5: five networks of ten layers of 20 units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from lightning_nas.strategies.blackbox.encoding import Array


def relative_error(predicted: Tensor, gap: Tensor) -> Tensor:
    """``Σ |(ŷ - y_lb) / (y - y_lb) - 1|``, the loss of the paper: errors count more where the value is good.

    Args:
        predicted: ``ŷ - y_lb``, predicted distances to a lower bound of the error.
        gap: ``y - y_lb``, the true ones, positive.
    """
    return (predicted / gap - 1).abs().sum()


class Ensemble:
    """Networks of equal shape that differ in their first weights and the order of their batches.

    One tensor holds a layer of all members, so that a step is a few batched matrix products. No member sees another: each
    is what it would be if it were trained alone.

    Args:
        seeds: One per member, of its first weights and its batches.
        layers: Hidden layers.
        width: Units of each.
        lr: Of Adam.
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
                raise ValueError(f"{name} must be at least 1, got {value}")
        if lr <= 0:
            raise ValueError(f"lr must be positive, got {lr}")
        self.seeds, self.layers, self.width = list(seeds), layers, width
        self.lr, self.epochs, self.batch_size = lr, epochs, batch_size
        self._scale = 1.0

    def fit(self, features: Array, gaps: Array) -> Ensemble:
        """Trains all members from the start.

        Args:
            features: ``(architectures, bits)``.
            gaps: Distance of each one's error to a lower bound, positive. Their median is the unit of the networks'
                outputs, which leaves the loss as it is.
        """
        generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        x = torch.as_tensor(features, dtype=torch.float32)
        y = torch.as_tensor(gaps, dtype=torch.float32)
        self._scale = float(y.median())
        y = y / self._scale
        self._first_weights(x.shape[1], generators)
        optimizer = torch.optim.Adam([*self.weights, *self.biases], lr=self.lr, fused=True)
        for _ in range(self.epochs):
            # (members, architectures)
            order = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
            for rows in order.split(self.batch_size, dim=1):
                optimizer.zero_grad()
                relative_error(self._forward(x[rows]), y[rows]).backward()
                optimizer.step()
        return self

    @torch.no_grad()
    def members(self, features: Array) -> Tensor:
        """``(members, architectures)``, predicted gaps."""
        x = torch.as_tensor(features, dtype=torch.float32)
        return self._forward(x.expand(len(self.seeds), *x.shape)) * self._scale

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the members' predictions (zero of a single one)."""
        predicted = self.members(features).double()
        return predicted.mean(0).numpy(), predicted.std(0, correction=int(len(self.seeds) > 1)).numpy()

    def _first_weights(self, inputs: int, generators: Sequence[torch.Generator]) -> None:
        """Uniform weights (Glorot, Bengio 2010), no biases."""
        sizes = [inputs, *[self.width] * self.layers, 1]
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        for fan_in, fan_out in pairwise(sizes):
            limit = math.sqrt(6 / (fan_in + fan_out))
            drawn = [torch.rand(fan_in, fan_out, generator=generator) for generator in generators]
            self.weights.append(((2 * torch.stack(drawn) - 1) * limit).requires_grad_())
            self.biases.append(torch.zeros(len(generators), 1, fan_out, requires_grad=True))

    def _forward(self, x: Tensor) -> Tensor:
        """``(members, batch, bits) -> (members, batch)``."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = functional.relu(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(self.biases[-1], x, self.weights[-1]).squeeze(-1)
