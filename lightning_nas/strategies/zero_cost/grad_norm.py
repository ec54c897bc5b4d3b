"""The size of the gradient."""

from __future__ import annotations

from typing import ClassVar

import torch

from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import gradients, loss_of, scored_weights


class GradNorm(ZeroCostScore):
    """``sum_layers ||dL/dW||_2`` over convolutions and linear layers.

    Source: Abdelfattah, Mehrotra, Dudziak, Lane 2021, "Zero-Cost Proxies for Lightweight NAS", arXiv 2101.08134, section
    3.2.
    """

    name: ClassVar[str] = "grad_norm"

    def compute(self, probe: Probe) -> float:
        """One backward pass."""
        found = gradients(loss_of(probe), scored_weights(probe.model))
        return sum(torch.linalg.vector_norm(gradient, dtype=torch.float64).item() for gradient in found)
