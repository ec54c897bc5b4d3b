"""The supernet of a neck drawn by hand: the neck itself."""

from __future__ import annotations

from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.features import Backbone
from lightning_nas.spaces.supernet import Paths, Supernet


class FixedSupernet(Supernet):
    """A network without options.

    Args:
        space: The space.
        network: Its network.
    """

    def __init__(self, space: SearchSpace, network: Backbone) -> None:
        super().__init__({})
        self.space, self.network, self.role = space, network, network.role
        self.feature_info = network.feature_info.within("network")

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """What the network gives."""
        return self.network.forward_auxiliary(x)

    def path(self, choices: Choices) -> dict[str, Paths]:
        """Nothing to choose."""
        self.space.validate(choices)
        return {}
