"""What a selection is: from the strengths of the options to an architecture."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lightning_nas.architecture import Option
from lightning_nas.spaces import OptionWeights, SearchSpace, Supernet
from lightning_nas.strategies.gradient.part import Part


class Selection(Part):
    """Chooses an architecture.

    Example:
        >>> from lightning_nas.strategies.gradient.selection import Argmax
        >>> Argmax()
        Argmax()
    """

    def attach(self, supernet: Supernet) -> None:
        """Takes charge of a supernet that is to be searched."""

    def applied(self, name: str, weights: OptionWeights) -> OptionWeights:
        """The weights of a group of options in a forward pass, after what was decided already."""
        return weights

    def check(self, space: SearchSpace) -> None:
        """Refuses a space that it cannot choose in.

        Raises:
            ArgumentError: Naming the argument.
        """

    def choose(self, space: SearchSpace, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture: by the space's own rule, if a selection does not say otherwise.

        Args:
            space: The search space.
            strengths: Group -> ``(edges, options)``, at least 0.
        """
        return space.decode_strengths(strengths)
