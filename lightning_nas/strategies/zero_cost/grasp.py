"""How the weights change the flow of the gradient."""

from __future__ import annotations

from typing import ClassVar

import torch

from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import gradients, loss_of, scored_weights, total


class Grasp(ZeroCostScore):
    """``sum -W * (H g)``, signed, with the gradient ``g`` and the Hessian ``H`` of the loss in the scored weights.

    ``H g`` is the gradient of ``stop(g) . g``: one forward pass, two backward passes.

    Source: Wang, Zhang, Grosse 2020, "Picking Winning Tickets Before Training by Preserving Gradient Flow", arXiv 2002.07376,
    equation 8, with temperature 1; the sign and the sum as in Abdelfattah et al. 2021, arXiv 2101.08134, equation 1.
    """

    name: ClassVar[str] = "grasp"

    def compute(self, probe: Probe) -> float:
        """Zero where the loss is linear in the weights."""
        weights = scored_weights(probe.model)
        first = gradients(loss_of(probe), weights, create_graph=True)
        flow = torch.stack([(gradient.detach() * gradient).sum() for gradient in first]).sum()
        if not flow.requires_grad:
            return 0.0
        second = gradients(flow, weights)
        return total([-weight.detach() * product for weight, product in zip(weights, second, strict=True)])
