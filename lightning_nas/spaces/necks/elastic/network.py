"""The found network of an elastic neck: the plain neck of that size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.spaces.features import Backbone, FeatureInfo
from lightning_nas.spaces.necks.elastic.space import ElasticNeck
from lightning_nas.spaces.necks.laterals import LateralInputs
from lightning_nas.spaces.necks.nas_fpn.network import NasFpnNetwork
from lightning_nas.spaces.necks.neck import NeckNetwork


class ElasticNeckNetwork(NeckNetwork, space=ElasticNeck):
    """A neck of one size.

    Attributes:
        full_channels: Width of the largest neck, whose slice it is: heads behind it keep the groups of their norms.
    """

    def __init__(self, space: ElasticNeck, choices: Choices, inputs: FeatureInfo | None) -> None:
        super().__init__()
        self.network = plain_neck(space, choices, inputs)
        self.full_channels = space.channels
        self.feature_info = self.network.feature_info.within("network")

    def forward_auxiliary(self, x: Sequence[Tensor]) -> tuple[list[Tensor], Tensor | None]:  # type: ignore[override]
        """The backbone's maps -> one map per level, None."""
        return self.network.forward_auxiliary(x)  # type: ignore[arg-type]


def plain_neck(space: ElasticNeck, choices: Choices, inputs: FeatureInfo | None) -> Backbone:
    """The plain neck of some choices. Every map of the backbone is convolved, also one that has the width by chance."""
    plain = space.plain(choices)
    network = plain.network(plain.published_choices(), inputs=inputs)
    if isinstance(network, NasFpnNetwork):
        network.laterals = LateralInputs(inputs, space.width(choices), space.min_level, space.max_level, always=True)
    return network
