"""The strength of all paths through the network, without data."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import NORMALIZATIONS, gradients, scored_weights, total
from lightning_nas.strategies.zero_cost.state import hooked


class Synflow(ZeroCostScore):
    """``sum |W * dR/dW|``, where ``R`` is the sum of the outputs for one image of ones.

    All parameters and buffers are replaced by their absolute values, in double precision; normalisations (BatchNorm, also
    GroupNorm, LayerNorm) pass their input on as it is. In a chain of convolutions, ReLU and linear layers without biases
    every layer's share of the sum is ``R``. Infinite if ``R`` exceeds double precision.

    Source: Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic flow", arXiv
    2006.05467, equations 1 and 2; normalisations left out as in Abdelfattah et al. 2021, arXiv 2101.08134, section 3.2.
    """

    name: ClassVar[str] = "synflow"
    data_free: ClassVar[bool] = True
    training: ClassVar[bool] = False

    def compute(self, probe: Probe) -> float:
        """One backward pass for one image."""
        for tensor in (*probe.model.parameters(), *probe.model.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.data.abs().double()
        weights = scored_weights(probe.model)
        with hooked([m for m in probe.model.modules() if isinstance(m, NORMALIZATIONS)], _identity):
            flow = probe.outputs(torch.ones_like(probe.images[:1], dtype=torch.float64)).sum()
        found = gradients(flow, weights)
        return total([(weight.detach() * gradient).abs() for weight, gradient in zip(weights, found, strict=True)])


def _identity(module: Any, inputs: tuple[Tensor, ...], output: Any) -> Tensor:
    return inputs[0].clone()  # an activation that follows may work in place
