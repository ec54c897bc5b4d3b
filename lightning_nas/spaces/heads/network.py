"""A part of a network that tells a task how large its head is, and passes maps on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.features import Backbone, FeatureInfo, Outlets
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.heads.space import HeadSpace
from lightning_nas.spaces.ordered import OrderedSupernet


class HeadPart(Backbone):
    """Passes maps on.

    Attributes:
        numbers: What the head is built with, by name; of a supernet those of the active head.
        largest: Those of the largest head, of which the others are slices.
    """

    role = "head"
    numbers: dict[str, int]
    largest: dict[str, int]
    sizes: HeadSpace

    def describe(self, space: HeadSpace, inputs: FeatureInfo | None) -> None:
        """Sets what the part returns: what it reads.

        Raises:
            ValueError: If there are no maps.
        """
        if inputs is None:
            raise ArgumentError("inputs = None: a head needs the feature_info of a backbone or a neck")
        self.sizes, self.largest = space, {name: numbers[-1] for name, numbers in space.numbers.items()}
        levels = inputs.levels
        self.outlets = Outlets(len(levels))
        described = FeatureInfo(levels)
        for index, level in enumerate(described):
            level["module"] = f"outlets.{index}"
        self.feature_info = described

    def choose(self, choices: Choices) -> None:
        """Sets the numbers."""
        self.numbers = {name: self.sizes.value(name, choices) for name in self.sizes.numbers}

    def passed_on(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:
        """The maps, None."""
        return self.outlets(x), None


class HeadNetwork(HeadPart, FoundNetwork, space=HeadSpace):
    """The numbers of one head."""

    def __init__(self, space: HeadSpace, choices: Choices, inputs: FeatureInfo | None) -> None:
        super().__init__()
        self.describe(space, inputs)
        self.choose(choices)

    @classmethod
    def of(cls, space: HeadSpace, choices: Choices, inputs: FeatureInfo | None) -> HeadNetwork:
        """The part behind the maps of a backbone or neck."""
        return cls(space, choices, inputs)

    def forward_auxiliary(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The maps, None."""
        return self.passed_on(x)


class HeadSupernet(HeadPart, OrderedSupernet, space=HeadSpace):
    """The numbers of the head that is active; it has no weights."""

    def __init__(self, space: HeadSpace, inputs: FeatureInfo | None) -> None:
        super().__init__({})
        self.space = space
        self.describe(space, inputs)
        self.choose({})

    @classmethod
    def of(cls, space: HeadSpace, inputs: FeatureInfo | None, generator: torch.Generator | None) -> HeadSupernet:
        """The part behind the maps of a backbone or neck."""
        return cls(space, inputs)

    def activate(self, choices: Choices | None) -> None:
        """Chooses the numbers; None: the largest.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        if choices is not None:
            self.space.validate(choices)
        self.choose(choices or {})

    def all_maps(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The maps, None."""
        return self.passed_on(x)


def head_part(network: nn.Module, *, knows: str, of: str) -> HeadPart | None:
    """The part of a network that says how large the head is; None if there is none.

    Args:
        network: The backbone of a task.
        knows: The name of the space of heads that the task can build.
        of: What the head is called, for the error.

    Raises:
        ArgumentError: If the part is of another space, or the task can build none.
    """
    part = next((part for part in network.modules() if isinstance(part, HeadPart)), None)
    if part is not None and part.sizes.name != knows:
        fitting = f"expected {knows!r}" if knows else "it has no sizes to choose from"
        raise ArgumentError(
            f"backbone has a part of the space {part.sizes.name!r}, which {of} cannot be built from: {fitting}"
        )
    return part
