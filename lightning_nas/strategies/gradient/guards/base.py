"""What a guard is: it watches a search for collapse, and acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lightning_nas.spaces import SearchSpace, Supernet
from lightning_nas.strategies.gradient.part import Part

Product = Callable[[Sequence[Tensor]], list[Tensor]]
"""A vector, one tensor per group of logits -> its product with the second derivatives of the loss."""


@dataclass(frozen=True)
class Curvature:
    """Second derivatives of the loss of one batch of the architecture half, with respect to the logits of the options.

    Args:
        product: Multiplies them with a vector; averaged over the ranks.
        like: The logits, ``(edges, options)`` each.
    """

    product: Product
    like: Sequence[Tensor]


class Guard(Part):
    """Watches a search, and acts; every hook does nothing, if a guard does not say otherwise.

    Attributes:
        weighs: Whether :meth:`compare` is to be called, for which architecture steps compute the weights' gradients, too.
        stopped: Why the search has been stopped; None while it goes on.

    Example:
        >>> class Patient(Guard):
        ...     pass
        >>> Patient().due(0), Patient().stopped
        (False, None)
    """

    weighs = False
    stopped: str | None = None

    def due(self, epoch: int) -> bool:
        """Whether :meth:`look` is to be called at the end of an epoch."""
        return False

    def look(self, epoch: int, curvature: Curvature, logits: Mapping[str, Tensor]) -> None:
        """Called at the end of an epoch that is due; may change the logits in place, and set :attr:`stopped`.

        Args:
            epoch: Its number.
            curvature: Of the loss.
            logits: All logits by name, those of edges included.
        """

    def watch(self, supernet: Supernet) -> Sequence[Sequence[nn.Parameter]]:
        """The weights whose gradients are compared, operation by operation; asked once, before a search."""
        return []

    def compare(self, validation: Sequence[Tensor | None] | None, training: Sequence[Tensor | None]) -> list[bool]:
        """Called before every step of the weights, if :attr:`weighs`.

        Args:
            validation: Gradients of the watched weights on the architecture half, in one row, since the last step; None if
                there was no architecture step.
            training: Those on the weights' half.

        Returns:
            For every operation, whether its weights are to rest from now on.
        """
        return []

    def restrict(self, space: SearchSpace, strengths: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Strengths of the options from which an architecture is decoded, changed so that it keeps a limit."""
        return dict(strengths)

    def record(self) -> dict[str, Any]:
        """What the history of the search is to say of the epoch that ends, as plain numbers."""
        return {}
