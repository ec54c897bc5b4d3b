"""The fixed network of an architecture, and how a network says which space it belongs to."""

from __future__ import annotations

from typing import Any, Self

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.features import Backbone, FeatureInfo


class FoundNetwork(Backbone):
    """A fixed network of a search space: ``class ChainNetwork(FoundNetwork, space=Chain)``.

    So :meth:`SearchSpace.network` finds it. The file of a space imports no network: put both into the same file, or import
    the file of the network wherever the space is imported.
    """

    def __init_subclass__(cls, *, space: type[Any] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if space is not None:
            register(space, "found_network", cls)

    @classmethod
    def of(cls, space: Any, choices: Choices, inputs: FeatureInfo | None) -> Self:
        """Builds the network. Override it if more is needed than the space and the choices.

        Args:
            space: The search space.
            choices: One option per active decision; they have been checked.
            inputs: The feature maps it is fed with, for necks and heads; None for an image.
        """
        return cls(space, choices)


def register(space: type[Any], role: str, network: type[Any]) -> None:
    """Notes the network of a space, which its subclasses inherit.

    Args:
        space: The class of the space.
        role: ``"found_network"`` or ``"mixed_network"``.
        network: The class of the network.

    Raises:
        ValueError: If the space has another one already.
    """
    known = space.__dict__.get(role)
    if known is not None and (known.__module__, known.__qualname__) != (network.__module__, network.__qualname__):
        raise ArgumentError(
            f"space {space.__name__} already has the network {known.__module__}.{known.__qualname__}, "
            f"got {network.__module__}.{network.__qualname__}"
        )
    setattr(space, role, network)
