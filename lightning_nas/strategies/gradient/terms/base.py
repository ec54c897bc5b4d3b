"""What a term of the logits' loss is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from lightning_nas.cost import Call
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.part import Part

Mean = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
"""Logits of all groups -> the mean weights of their options, see :meth:`Sampler.mean`."""


class Term(Part):
    """A scalar that follows from the logits and is added to every loss.

    Attributes:
        now: Its weight in this epoch; ``weight``, where a term does not say otherwise.

    Example:
        >>> class Square(Term):
        ...     def __init__(self, *, weight: float = 0.0) -> None:
        ...         self.weight = self.now = weight
        ...     def value(self, logits, mean):
        ...         return sum(group.square().sum() for group in logits.values())
        >>> Square(weight=0.5).active
        True
    """

    weight: float
    now: float

    @property
    def active(self) -> bool:
        """Whether it counts in this search at all."""
        return self.weight != 0

    @abstractmethod
    def value(self, logits: Mapping[str, Tensor], mean: Mapping[str, Tensor]) -> Tensor:
        """The term without its weight.

        Args:
            logits: Group -> ``(edges, options)``; minus infinity for options that are out of the search.
            mean: The same groups -> the mean weights of the options.
        """

    def start(self, logits: Mapping[str, Tensor]) -> None:
        """Called before a search with its first logits, without a graph."""

    def check(self, supernet: Supernet) -> None:
        """Refuses a supernet that it cannot be computed for.

        Raises:
            ArgumentError: Naming the term.
        """

    def prepare(
        self, supernet: Supernet, model: nn.Module, call: Callable[[], Call], choices: Mapping[str, Any]
    ) -> None:
        """Called before a search begins.

        Args:
            supernet: What is searched.
            model: The module that it is a part of.
            call: Gives what the whole network is called with for one image; fails if nobody knows.
            choices: Any architecture.
        """
