"""What a sampler is: from logits to the weights of the options in one forward pass."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.part import Part, check_between, progress


class Sampler(Part):
    """Weights of the options of every edge, drawn or not.

    Attributes:
        hard: Whether options that were not drawn are not computed.
        second_order: Whether the gradient through a virtual step of the weights is defined for it.
        two_halves: Whether it draws differently for the steps of weights and of logits.
        memoryless: Whether the logits of options that were not drawn must stay as they are in a step.
        compete: Whether the weights of an edge sum to 1.

    Example:
        >>> class Even(Sampler):
        ...     def sample(self, logits, generator):
        ...         return OptionWeights(torch.full_like(logits, 1 / logits.shape[-1]) + 0 * logits)
        >>> Even().sample(torch.zeros(1, 4), torch.Generator()).values
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    hard = False
    second_order = False
    two_halves = False
    memoryless = False
    compete = True

    @abstractmethod
    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """Weights for one forward pass, differentiable in the logits.

        Args:
            logits: ``(edges, options)``; those of options that are out of the search are minus infinity.
            generator: Draws on the CPU, so that all devices and ranks see the same.
        """

    def mean(self, logits: Tensor) -> Tensor:
        """What the weights are on average, ``(edges, options)``, differentiable: the softmax, if nothing else is said.

        Architectures are decoded from it, costs and curvatures are taken at it.
        """
        return logits.softmax(dim=-1)

    @property
    def by_softmax(self) -> bool:
        """Whether the mean is the softmax, so that architectures follow from the logits themselves."""
        return type(self).mean is Sampler.mean

    def begin_step(self, half: str) -> None:
        """Called before the architecture step (``"architecture"``) and before the pass of the weight step (``"weights"``)."""

    def stepped(self, name: str, logits: Tensor, before: Tensor) -> None:
        """Called after every step of the logits, which may be changed in place.

        Args:
            name: Group of the logits.
            logits: ``(edges, options)``, without a graph.
            before: What they were before the step.
        """

    def initial(self, logits: Tensor) -> Tensor:
        """What the logits start from, given what the supernet has drawn, ``(edges, options)``."""
        return logits


class Annealed(Sampler):
    """A sampler with a temperature that falls linearly over the epochs.

    Args:
        tau_start: First temperature.
        tau_end: Last temperature.

    Attributes:
        tau: The current temperature.
    """

    def __init__(self, *, tau_start: float, tau_end: float) -> None:
        check_between("tau_start", tau_start, 0, open_low=True)
        check_between("tau_end", tau_end, 0, tau_start, open_low=True)
        self.tau_start, self.tau_end, self.tau = tau_start, tau_end, tau_start

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Lowers the temperature."""
        self.tau = self.tau_start + (self.tau_end - self.tau_start) * progress(epoch, epochs)
