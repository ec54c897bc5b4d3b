"""What necks share: they read the maps of a backbone, and may repeat what they do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from torch import Tensor, nn

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


class StackedNeck:
    """A neck that repeats its cells: the results of all stacks can be seen, for deep supervision.

    Attributes:
        keep_results: Whether a forward pass leaves the results of all stacks in :attr:`results`.
        results: One pyramid per stack, of the last forward pass; whoever reads them empties the list.
    """

    keep_results = False
    results: list[list[Tensor]]

    def run_stacks(self, stacks: Iterable[nn.Module], levels: list[Tensor], *arguments: object) -> list[Tensor]:
        """Runs the stacks one after the other; ``arguments`` are handed to each."""
        self.results = []
        for stack in stacks:
            levels = stack(levels, *arguments)
            if self.keep_results:
                self.results.append(levels)
        return levels


class NarrowableNeck:
    """A neck whose maps may be narrower than those of the largest one.

    Attributes:
        full_channels: Width of the largest neck.
        widens: Whether narrower maps end in channels of zeros, so that any head can read them. One that can be sliced itself
            sets it to False.
    """

    full_channels: int
    widens = True
