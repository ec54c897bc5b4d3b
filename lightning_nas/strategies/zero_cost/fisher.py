"""The loss that the channels hold."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import gradients, loss_of, scored_layers
from lightning_nas.strategies.zero_cost.state import hooked


class Fisher(ZeroCostScore):
    """``sum_channels n_weights(c) * 1/2 mean_batch (sum_hw a dL/da)^2`` at the outputs ``a`` of the scored layers.

    A channel counts once for each of its weights. ``L`` is the mean over the batch. A layer that runs several times, e.g. a
    head that several levels share, adds up its runs.

    Source: Theis et al. 2018, "Faster gaze prediction with dense networks and Fisher pruning", arXiv 1801.05787, and Turner
    et al. 2020, "BlockSwap", arXiv 1906.04113, equation 2; the weighting of channels follows the experiments of Abdelfattah
    et al. 2021, arXiv 2101.08134.
    """

    name: ClassVar[str] = "fisher"

    def compute(self, probe: Probe) -> float:
        """One backward pass, without the gradients of the weights."""
        runs: list[tuple[nn.Module, Tensor]] = []

        def keep(layer: nn.Module, _: Any, output: Tensor) -> Tensor:
            runs.append((layer, output))
            return output.clone()  # what follows may work in place

        with hooked(scored_layers(probe.model), keep):
            loss = loss_of(probe)
        runs = [(layer, output) for layer, output in runs if output.requires_grad]
        found = gradients(loss, [output for _, output in runs])
        return sum(_of_layer(layer, a, da) for (layer, a), da in zip(runs, found, strict=True))


def _of_layer(layer: Any, activation: Tensor, gradient: Tensor) -> float:
    product = (activation.detach() * gradient).double()
    if isinstance(layer, nn.Linear):  # (B, ..., C)
        per_channel = product.reshape(len(product), -1, layer.out_features).sum(1)
    else:  # (B, C, ...)
        per_channel = product.reshape(len(product), layer.out_channels, -1).sum(2)
    weights_per_channel = layer.weight.numel() / per_channel.shape[1]
    return float(per_channel.square().mean(0).sum() * weights_per_channel / 2)
