"""How differently the network reacts to different images."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore
from lightning_nas.strategies.zero_cost.functional import gradients

K = 1e-5  # keeps the logarithm finite


class JacobCov(ZeroCostScore):
    """``-sum_i [log(v_i + k) + 1 / (v_i + k)]``, ``k = 1e-5``, of the spectrum of correlations between images.

    Row ``b`` of ``J`` is the gradient of all outputs, summed, in the pixels of image ``b``; ``v`` are the eigenvalues of the
    correlation matrix of the rows. ``-inf`` if a row is constant or not finite, e.g. where the output does not depend on the
    image. In training mode BatchNorm couples the images of a batch; as in the published experiments, one backward pass of
    the sum over the batch gives all rows.

    Source: Mellor, Turner, Storkey, Crowley 2020, "Neural Architecture Search without Training", arXiv 2006.04647, first
    version, equations 2 to 4; named so by Abdelfattah et al. 2021, arXiv 2101.08134.
    """

    name: ClassVar[str] = "jacob_cov"

    def compute(self, probe: Probe) -> float:
        """One backward pass, without the gradients of the weights."""
        images = probe.images.detach().clone().requires_grad_()
        if len(images) < 2:
            raise ArgumentError(f"jacob_cov compares images: images must be at least 2, got {len(images)}")
        (jacobian,) = gradients(probe.outputs(images), [images])
        return spectrum_score(jacobian.flatten(1))


def spectrum_score(jacobian: Tensor) -> float:
    """The score of a matrix of gradients.

    Args:
        jacobian: ``(B, D)``, one row per image.
    """
    rows = jacobian.double().cpu()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    if not (torch.isfinite(norms).all() and (norms > 0).all()):
        return -math.inf
    rows = rows / norms
    values = torch.linalg.eigvalsh(rows @ rows.T).clamp_min(0)
    return -float((torch.log(values + K) + 1 / (values + K)).sum())
