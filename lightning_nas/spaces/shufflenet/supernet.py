"""The supernet of the ShuffleNetV2 space."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.ops.candidates.shuffle import set_split
from lightning_nas.spaces.chain.layers import MixedLayer
from lightning_nas.spaces.option_weights import Mixed, Paths, strongest
from lightning_nas.spaces.shufflenet.body import closing, described, layer_sizes, stem
from lightning_nas.spaces.shufflenet.space import ShuffleNetV2
from lightning_nas.spaces.supernet import Supernet

BLOCKS = "blocks"
"""Name of the group of logits."""


class ShuffleSupernet(Supernet, space=ShuffleNetV2):
    """The supernet. Logits: ``blocks``, one row per layer."""

    def __init__(self, space: ShuffleNetV2, generator: torch.Generator | None = None) -> None:
        super().__init__({BLOCKS: (len(space.decisions), len(space.ops))}, generator)
        self.space = space
        affine = space.supernet_affine
        self.stem = stem(space, affine)
        self.stages = nn.ModuleList(
            nn.ModuleList(MixedLayer(space.ops, *size, affine=affine) for size in sizes) for sizes in layer_sizes(space)
        )
        set_split(self.stages, space.split)
        self.head = closing(space, affine)
        self.feature_info = described(space)

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        weights = self.option_weights()[BLOCKS]
        x = self.stem(x)
        features, row = [], 0
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                x = layer(x, weights.values[row], None if weights.active is None else weights.active[row])
                row += 1
            features.append(x)
        return [*features[:-1], self.head(x)], None

    def mixed(self) -> list[Mixed]:
        """The layers, one after the other."""
        layers = [layer for stage in self.stages for layer in stage.children()]
        return [Mixed(layer, BLOCKS, row) for row, layer in enumerate(layers)]

    @staticmethod
    def decode(space: ShuffleNetV2, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest block of every layer; ties go to the lower index."""
        return space.from_indices([strongest(row) for row in logits[BLOCKS]])

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The block of every layer."""
        self.space.validate(choices)
        return {BLOCKS: tuple((self.space.ops.index(choices[name]),) for name in self.space.decisions)}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """The block of a layer is one of the layer's candidates here."""
        return {
            f"stages.{stage}.{layer}": f"stages.{stage}.{layer}.candidates.{self.space.ops.index(op)}"
            for stage, ops in enumerate(self.space.stage_ops(choices))
            for layer, op in enumerate(ops)
        }
