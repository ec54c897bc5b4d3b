"""The supernet of a neck drawn by hand: the neck itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.features import Backbone, FeatureInfo
from lightning_nas.spaces.necks.fixed.space import FixedNeck
from lightning_nas.spaces.option_weights import Paths
from lightning_nas.spaces.supernet import Supernet


class FixedSupernet(Supernet, space=FixedNeck):
    """A network without options.

    Args:
        space: The space.
        network: Its network.
    """

    @classmethod
    def of(cls, space: FixedNeck, inputs: FeatureInfo | None, generator: torch.Generator | None) -> FixedSupernet:
        """The neck on the maps of a backbone."""
        return cls(space, space.network({}, inputs=inputs))

    def __init__(self, space: SearchSpace, network: Backbone) -> None:
        super().__init__({})
        self.space, self.network, self.role = space, network, network.role
        self.feature_info = network.feature_info.within("network")

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """What the network gives."""
        return self.network.forward_auxiliary(x)

    @staticmethod
    def decode(space: FixedNeck, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The only architecture."""
        return {}

    def path(self, choices: Choices) -> dict[str, Paths]:
        """Nothing to choose."""
        self.space.validate(choices)
        return {}
