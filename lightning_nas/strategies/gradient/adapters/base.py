"""What an adapter is: it changes the modules of a supernet before its logits and weights are collected."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Supernet
from lightning_nas.strategies.gradient.part import Part


class Adapter(Part):
    """Changes the modules of a supernet.

    Example:
        >>> from lightning_nas.ops.mixed import Candidates
        >>> from lightning_nas.spaces import NasBench201
        >>> class Counting(Adapter):
        ...     def adapt(self, supernet):
        ...         self.edges = sum(isinstance(module, Candidates) for module in supernet.modules())
        >>> counting = Counting()
        >>> counting.adapt(NasBench201(channels=4, cells=1).supernet())
        >>> counting.edges
        18
    """

    @abstractmethod
    def adapt(self, supernet: Supernet) -> None:
        """Changes it; called once.

        Raises:
            ArgumentError: Naming the argument, if there is nothing to change, or it cannot be changed so.
        """


def replace_edges(supernet: nn.Module, make: Callable[[nn.Module], nn.Module | None], kinds: tuple[type, ...]) -> int:
    """Puts other modules in the place of the edges of a supernet.

    Args:
        supernet: It.
        make: Edge -> what is put in its place; None for one that stays.
        kinds: What counts as an edge; nothing within one does.

    Returns:
        The number of edges that were replaced.
    """
    count = 0
    for name, child in list(supernet.named_children()):
        if not isinstance(child, kinds):
            count += replace_edges(child, make, kinds)
            continue
        made = make(child)
        if made is not None:
            supernet.add_module(name, made.train(child.training))
            count += 1
    return count


def require_edges(count: int, argument: str, supernet: Supernet) -> None:
    """Refuses a space in which an adapter has found nothing to change.

    Args:
        count: Of the edges that were changed.
        argument: What asked for it.
        supernet: It.

    Raises:
        ArgumentError: If there were none.
    """
    if not count:
        raise ArgumentError(
            f"{argument}: the space {supernet.space.name!r} has no mixed operations that it could change"
        )
