"""What a perturbation is: the weights of the options are disturbed while the network's own weights learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.part import Part, check_between, progress

Ascent = Callable[[Sequence[Tensor]], list[Tensor]]
"""Disturbances that require a gradient -> that of the loss of the weights' batch, equal on all ranks."""


class Perturbation(Part):
    """Disturbs the weights of the options in the weight step, by at most ``size``, which grows linearly from 0.

    Source: Chen, Hsieh 2020, "Stabilizing Differentiable Architecture Search via Perturbation-based Regularization", arXiv
    2002.05283, section 3. The step of the logits sees the weights undisturbed.

    Args:
        size: ``epsilon`` in the last epoch.

    Attributes:
        now: ``epsilon`` in this epoch.
        attacks: Whether :meth:`attack` does anything.

    Example:
        >>> from lightning_nas.strategies.gradient.perturbations import RandomSmoothing
        >>> smoothing = RandomSmoothing(size=0.04)
        >>> smoothing.begin_epoch(1, 5)
        >>> smoothing.now
        0.01
    """

    attacks = False

    def __init__(self, *, size: float = 0.03) -> None:
        check_between("perturbation.size", size, 0, 1, open_low=True)
        self.size, self.now = size, 0.0

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Raises the size."""
        self.now = self.size * progress(epoch, epochs)

    @abstractmethod
    def disturb(self, name: str, values: Tensor, generator: torch.Generator) -> Tensor:
        """The weights of a group in one pass of the weight step.

        Args:
            name: Group of the logits.
            values: ``(edges, options)``.
            generator: Draws on the CPU, so that all devices and ranks see the same.
        """

    def attack(self, ascent: Ascent, like: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Called before the pass of the weight step, if :attr:`attacks`.

        Args:
            ascent: Gives the gradient of the loss of the weights' batch.
            like: Group -> ``(edges, options)``.
            generator: Draws on the CPU.
        """


def uniform(like: Tensor, size: float, generator: torch.Generator) -> Tensor:
    """``U(-size, size)`` of the shape and on the device of a tensor, drawn on the CPU."""
    return ((2 * torch.rand(like.shape, generator=generator) - 1) * size).to(like)
