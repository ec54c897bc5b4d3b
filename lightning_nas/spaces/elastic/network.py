"""The found network of the elastic space: plain layers."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.elastic.blocks import BLOCKS, Body, Layers, PlainLayers
from lightning_nas.spaces.elastic.space import Elastic
from lightning_nas.spaces.elastic.trunk import Trunk
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.places import Place


class ElasticNetwork(FoundNetwork, space=Elastic):
    """A found network of the elastic space."""

    def __init__(self, space: Elastic, choices: Choices) -> None:
        super().__init__()
        trunk = space.plan(choices)
        layers = PlainLayers(same=trunk.same, epsilon=trunk.epsilon)
        stages = [nn.Sequential(*stage_blocks(trunk, stage, layers)) for stage in range(len(trunk.stages))]
        self.body = Body(trunk, stages, layers, space.in_channels)
        self.feature_info = self.body.feature_info.within("body")

    def places(self) -> dict[str, Place]:
        """Where the layers stand."""
        return {f"body.{name}": place for name, place in self.body.places().items()}

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.body(x), None


def stage_blocks(trunk: Trunk, stage: int, layers: Layers) -> list[nn.Module]:
    """The blocks of a stage."""
    return [
        BLOCKS[block.kind](layers, trunk, block, trunk.inputs(stage, layer))
        for layer, block in enumerate(trunk.stages[stage])
    ]
