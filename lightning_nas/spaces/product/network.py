"""Networks of the parts of a product, in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.product.space import Product


class ProductNetwork(FoundNetwork, space=Product):
    """Networks in a row; returns the maps of the last and the auxiliary map of the first that reads an image."""

    @classmethod
    def of(cls, space: Product, choices: Choices, inputs: FeatureInfo | None) -> ProductNetwork:
        """The networks of the parts, each on the maps of the one before."""
        own = space.part_choices(choices)
        modules: dict[str, Backbone] = {}
        for part, single in space.spaces.items():
            modules[part] = single.network(own[part], inputs=inputs)
            inputs = handed_on(modules[part])
        return cls(modules)

    def __init__(self, modules: Mapping[str, Backbone]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(modules)
        self.feature_info, self.auxiliary_info, self.role = _described(modules)

    def named_parts(self) -> dict[str, Backbone]:
        """The networks, by name."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Backbone)}

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """What the first part reads -> the maps of the last part, the auxiliary map of the backbone."""
        return _run(list(self.parts.values()), x)


def _described(modules: Mapping[str, Backbone]) -> tuple[FeatureInfo, FeatureLevel | None, str]:
    """The maps of the last part, the auxiliary map of the backbone, and whose maps they are, as seen from the product."""
    last = [*modules][-1]
    first = next((name for name, part in modules.items() if part.role != "image"), last)
    auxiliary = modules[first].auxiliary_info
    roles = [part.role for part in modules.values()]
    return (
        modules[last].feature_info.within(f"parts.{last}"),
        None if auxiliary is None else auxiliary.within(f"parts.{first}"),
        next((role for role in reversed(roles) if role != "head"), roles[-1]),  # a head passes on what it reads
    )


def handed_on(part: Backbone) -> FeatureInfo | None:
    """The maps that the next part is fed with; None for the image."""
    return None if part.role == "image" else part.feature_info


def _run(modules: Sequence[Any], x: Tensor) -> tuple[list[Tensor], Tensor | None]:
    auxiliary: Tensor | None = None
    given: Any = x
    features: list[Tensor] = []
    for index, module in enumerate(modules):
        features, found = module.forward_auxiliary(given)
        given = features[0] if module.role == "image" else features
        if index == 0 or modules[index - 1].role == "image":
            auxiliary = found
    return features, auxiliary
