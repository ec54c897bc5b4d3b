"""The loss that the weights hold, one by one."""

from __future__ import annotations

from typing import ClassVar

from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import gradients, loss_of, scored_weights, total


class Snip(ZeroCostScore):
    """``sum |W * dL/dW|``: how much the loss feels it, to first order, if single weights are taken out.

    With a mask ``m`` of ones on the weights, ``dL/dm = W * dL/dW``, so that no mask is needed.

    Source: Lee, Ajanthan, Torr 2019, "SNIP", arXiv 1810.02340, equation 4, without its normalisation; summed over the
    network as in Abdelfattah et al. 2021, arXiv 2101.08134, equation 1.
    """

    name: ClassVar[str] = "snip"

    def compute(self, probe: Probe) -> float:
        """One backward pass."""
        weights = scored_weights(probe.model)
        found = gradients(loss_of(probe), weights)
        return total([(weight.detach() * gradient).abs() for weight, gradient in zip(weights, found, strict=True)])
