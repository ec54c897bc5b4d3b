"""SDARTS-RS: random smoothing."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.perturbations.base import Perturbation, uniform


class RandomSmoothing(Perturbation):
    """Adds ``U(-epsilon, epsilon)`` to the weights of the options in every pass of the weight step.

    Source: Chen, Hsieh 2020, SDARTS, arXiv 2002.05283, equation 6.

    Args:
        size: ``epsilon`` in the last epoch; grows linearly from 0.

    Example:
        >>> RandomSmoothing()
        RandomSmoothing(size=0.03)
    """

    def disturb(self, name: str, values: Tensor, generator: torch.Generator) -> Tensor:
        """Draws anew in every pass."""
        return values + uniform(values, self.now, generator)
