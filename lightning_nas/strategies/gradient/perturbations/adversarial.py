"""SDARTS-ADV: the worst disturbance that a few steps find."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.gradient.perturbations.base import Ascent, Perturbation, uniform


class Adversarial(Perturbation):
    """Adds the disturbance within ``epsilon`` for which the loss of the batch is highest, as far as some steps find it.

    Projected gradient ascent in the largest norm: from a random start, steps of ``2 epsilon / steps`` along the signs of the
    gradient, each cut to ``epsilon``.

    Source: Chen, Hsieh 2020, SDARTS, arXiv 2002.05283, equation 7.

    Args:
        size: ``epsilon`` in the last epoch; grows linearly from 0.
        steps: Of the ascent; each costs a pass forwards and backwards.

    Example:
        >>> Adversarial(steps=3)
        Adversarial(size=0.03, steps=3)
    """

    attacks = True

    def __init__(self, *, size: float = 0.03, steps: int = 7) -> None:
        super().__init__(size=size)
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ArgumentError(f"perturbation.steps must be a whole number of at least 1, got {steps!r}")
        self.steps = steps
        self._found: dict[str, Tensor] = {}

    def attack(self, ascent: Ascent, like: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Looks for the disturbance of this batch."""
        self._found = {name: uniform(group, self.now, generator).requires_grad_() for name, group in like.items()}
        for _ in range(self.steps if self.now else 0):
            gradients = ascent(list(self._found.values()))
            with torch.no_grad():
                for delta, gradient in zip(self._found.values(), gradients, strict=True):
                    delta.add_(gradient.sign(), alpha=2 * self.now / self.steps).clamp_(-self.now, self.now)
        for delta in self._found.values():
            delta.requires_grad_(False)

    def disturb(self, name: str, values: Tensor, generator: torch.Generator) -> Tensor:
        """Adds what was found."""
        return values + self._found[name] if name in self._found else values
