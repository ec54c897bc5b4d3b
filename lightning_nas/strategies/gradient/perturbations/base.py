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
    2002.05283, section 3. The step of the logits sees the weights undisturbed. What is disturbed is brought back to
    weights by :func:`as_weights`.

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
        """The weights of a group in one pass of the weight step, before they are brought back between 0 and 1.

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


def as_weights(disturbed: Tensor, values: Tensor, *, compete: bool) -> Tensor:
    """Disturbed weights, cut to 0 and 1; those of options that compete are divided by their sum, as in the authors' code.

    An option that had no weight, because it is out of the search, gets none. Where nothing is left of an edge, all goes to the
    option that was strongest after the disturbance.

    Args:
        disturbed: ``(edges, options)``.
        values: The weights before.
        compete: Whether the weights of an edge sum to 1.

    Example:
        >>> as_weights(torch.tensor([[0.75, -0.1, 0.5]]), torch.tensor([[0.5, 0.25, 0.25]]), compete=True)
        tensor([[0.6000, 0.0000, 0.4000]])
    """
    cut = disturbed.clamp(0, 1) * (values != 0)
    if not compete:
        return cut
    total = cut.sum(dim=-1, keepdim=True)
    strongest = torch.zeros_like(cut).scatter(-1, disturbed.argmax(dim=-1, keepdim=True), 1.0)
    return torch.where(total > 0, cut / torch.where(total > 0, total, torch.ones_like(total)), strongest)


def uniform(like: Tensor, size: float, generator: torch.Generator) -> Tensor:
    """``U(-size, size)`` of the shape and on the device of a tensor, drawn on the CPU."""
    return ((2 * torch.rand(like.shape, generator=generator) - 1) * size).to(like)
