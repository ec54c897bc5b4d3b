"""What found necks share: they read the maps of a backbone."""

from __future__ import annotations

from typing import Any, Self

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import FeatureInfo
from lightning_nas.spaces.found import FoundNetwork


class NeckNetwork(FoundNetwork):
    """A found network that reads maps: ``__init__(space, choices, inputs)``."""

    role = "neck"

    @classmethod
    def of(cls, space: Any, choices: Choices, inputs: FeatureInfo | None) -> Self:
        """Builds the neck on the maps of a backbone."""
        return cls(space, choices, inputs)
