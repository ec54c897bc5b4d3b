"""The largest neck, of which the first channels and the first layers can be active."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lightning_nas.architecture import Choices
from lightning_nas.ops.layers.elastic_conversion import FirstModules, make_elastic, set_width
from lightning_nas.spaces.features import FeatureInfo
from lightning_nas.spaces.necks.elastic.network import plain_neck
from lightning_nas.spaces.necks.elastic.space import ElasticNeck
from lightning_nas.spaces.necks.neck import NarrowableNeck
from lightning_nas.spaces.ordered import OrderedSupernet

STACKS = ("layers", "stacks")
"""What necks call the layers that they repeat."""


class ElasticNeckSupernet(NarrowableNeck, OrderedSupernet, space=ElasticNeck):
    """The largest neck in layers that can be sliced; :meth:`activate` sets sizes and copies nothing."""

    role = "neck"

    def __init__(self, space: ElasticNeck, inputs: FeatureInfo | None) -> None:
        super().__init__({})
        self.space = space
        self.network = plain_neck(space, space.largest(), inputs)
        self.full_channels = space.channels
        make_elastic(self.network)
        for name in STACKS:
            if hasattr(self.network, name):
                setattr(self.network, name, FirstModules(getattr(self.network, name)))
        self.feature_info = self.network.feature_info.within("network")

    @classmethod
    def of(
        cls, space: ElasticNeck, inputs: FeatureInfo | None, generator: torch.Generator | None
    ) -> ElasticNeckSupernet:
        """The neck on the maps of a backbone."""
        return cls(space, inputs)

    def activate(self, choices: Choices | None) -> None:
        """Makes forward compute one neck; None: the largest.

        Raises:
            ArchitectureError: If the choices are not an architecture of the space.
        """
        if choices is not None:
            self.space.validate(choices)
        set_width(self.network, self.space.width(choices or {}))
        for stacks in (part for part in self.network.modules() if isinstance(part, FirstModules)):
            stacks.active = self.space.value("repeats", choices or {})

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """The backbone's maps -> one map per level, None."""
        maps, _ = self.network.forward_auxiliary(x)
        if self.widens:
            maps = [functional.pad(m, (0, 0, 0, 0, 0, self.full_channels - m.shape[1])) for m in maps]
        return maps, None
