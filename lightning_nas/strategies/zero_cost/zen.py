"""How strongly a network with Gaussian weights reacts to a small change of its input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import scored_layers
from lightning_nas.strategies.zero_cost.state import hooked


@dataclass(frozen=True)
class Zen(ZeroCostScore):
    """``log D + sum_BN log s``, averaged over draws of weights and images.

    A draw: weights of the scored layers ~ N(0, 1), their biases 0, BatchNorm's scale 1 and shift 0; images ``x`` and noise
    ``e`` ~ N(0, 1) of the probe's size. With the last feature map ``f`` before pooling, in training mode,
    ``D = mean_batch sum_chw |f(x) - f(x + gamma e)|``. BatchNorm hides the scale of its input, so the scale is added: ``s`` is
    the root of the mean over channels of the variance that it divides by in the pass of ``x``; a BatchNorm whose input does
    not vary, on a branch that carries nothing, adds none. (The authors' program takes the running variance, which still
    remembers its initial 1.)

    The published score is that of the network without its residual links. The networks here cannot switch theirs off,
    and the skip connections of a cell are choices of the architecture: they are scored as they are. ``-inf`` where the map
    does not depend on the image.

    Source: Lin et al. 2021, "Zen-NAS", arXiv 2102.01063, algorithm 1 and section 4.

    Args:
        repeats: Number of draws.
        batch_size: Images per draw; as many as the probe has if None.
        gamma: Size of the change.
        seed: Of the draws.

    Raises:
        ValueError: If an argument is out of range, or the probe has no ``features``.
    """

    name: ClassVar[str] = "zen"
    data_free: ClassVar[bool] = True

    repeats: int = 32
    batch_size: int | None = None
    gamma: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ArgumentError(f"repeats must be at least 1, got {self.repeats!r}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, got {self.batch_size!r}")
        if self.gamma <= 0:
            raise ArgumentError(f"gamma must be positive, got {self.gamma!r}")

    def compute(self, probe: Probe) -> float:
        """Two forward passes per draw."""
        if probe.features is None:
            raise ArgumentError("zen needs the probe's features (images -> last feature map), got features = None")
        generator = torch.Generator().manual_seed(self.seed)
        shape = (self.batch_size or len(probe.images), *probe.images.shape[1:])
        norms = [module for module in probe.model.modules() if isinstance(module, _BatchNorm)]
        values = []
        with torch.no_grad():
            for _ in range(self.repeats):
                _draw(probe.model, norms, generator)
                x, noise = (torch.randn(shape, generator=generator).to(probe.images) for _ in range(2))
                scales: list[Tensor] = []
                with hooked(norms, partial(_keep_scale, scales)):
                    clean = probe.features(x)
                change = (clean - probe.features(x + self.gamma * noise)).double().abs().flatten(1).sum(1).mean()
                values.append(change.log() + sum(scales))
        return float(torch.stack(values).mean())


def _draw(model: nn.Module, norms: list[Any], generator: torch.Generator) -> None:
    """Gaussian weights, no biases, BatchNorm as new."""
    for layer in scored_layers(model):
        weight: Any = layer.weight
        weight.copy_(torch.randn(weight.shape, generator=generator))
        if isinstance(layer.bias, Tensor):
            layer.bias.zero_()
    for norm in norms:
        norm.reset_parameters()


def _keep_scale(scales: list[Tensor], norm: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
    scales.append(_log_scale(inputs[0]))


def _log_scale(x: Tensor) -> Tensor:
    """``log sqrt(mean_c var_c)`` of a BatchNorm's input ``(B, C, ...)``; 0 where nothing varies."""
    variance = x.var([0, *range(2, x.dim())], unbiased=False).mean().double()
    return variance.log() / 2 if variance > 0 else torch.zeros_like(variance)
