"""The supernet of the chain space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.chain.body import Body
from lightning_nas.spaces.chain.layers import MixedStage
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.option_weights import Mixed, OptionWeights, Paths, strongest
from lightning_nas.spaces.places import Place
from lightning_nas.spaces.supernet import Supernet


def depth_group(stage: int) -> str:
    """Name of the logits of a stage's depth."""
    return f"depth{stage}"


class ChainSupernet(Supernet, space=Chain):
    """The supernet.

    Logits: ``first``, one row per stage (its first layer); ``rest``, one row per other layer, stage by stage;
    ``depth{s}``, one row for every stage whose depth is searched.
    """

    def __init__(self, space: Chain, generator: torch.Generator | None = None) -> None:
        stages = range(len(space.depths))
        groups = {"first": (len(space.depths), len(space.layer_ops(0)))}
        if sum(space.depths) > len(space.depths):
            groups["rest"] = (sum(space.depths) - len(space.depths), len(space.layer_ops(1)))
        groups |= {depth_group(s): (1, len(space.depth_options(s))) for s in stages if len(space.depth_options(s)) > 1}
        super().__init__(groups, generator)
        self.space, self.groups = space, tuple(groups)
        widths = (space.entry_channels, *space.widths)
        self.body = Body(space, [MixedStage(space, stage, widths[stage]) for stage in stages])
        self.feature_info = self.body.feature_info.within("body")

    def places(self) -> dict[str, Place]:
        """Where the layers stand."""
        return {f"body.{name}": place for name, place in self.body.places().items()}

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        weights = self.option_weights()
        inputs: list[tuple[object, ...]] = []
        rest = 0
        for stage, depth in enumerate(self.space.depths):
            layers = [_row(weights["first"], stage)] + [_row(weights["rest"], rest + i) for i in range(depth - 1)]
            rest += depth - 1
            inputs.append((layers, weights.get(depth_group(stage))))
        return self.body(x, inputs), None

    def mixed(self) -> list[Mixed]:
        """The layers of all stages; one that lies beyond the least depth need not be there."""
        found = []
        rest = 0
        for stage, deepest in enumerate(self.space.depths):
            stage_layers = cast(MixedStage, self.body.stages[stage]).layers
            options = self.space.depth_options(stage)
            for layer in range(deepest):
                row, group = (rest + layer - 1, "rest") if layer else (stage, "first")
                deeper = [index for index, depth in enumerate(options) if depth > layer]
                reach = partial(_deeper, group=depth_group(stage), options=deeper) if layer >= options[0] else None
                found.append(Mixed(stage_layers[layer], group, row, reach))
            rest += deepest - 1
        return found

    @staticmethod
    def decode(space: Chain, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest depth of every stage and operation of every layer; ties go to the lower index."""
        choices: dict[str, Option] = {}
        starts = {"first": 0, "rest": 0}
        for stage, deepest in enumerate(space.depths):
            depth = deepest
            if len(space.depth_options(stage)) > 1:
                depth = space.depth_options(stage)[strongest(logits[depth_group(stage)][0])]
                choices[f"stage{stage}.depth"] = depth
            for layer in range(deepest):
                group = "rest" if layer else "first"
                row = logits[group][starts[group]]
                starts[group] += 1
                if layer < depth:
                    choices[f"stage{stage}.{layer}"] = space.layer_ops(layer)[strongest(row)]
        return choices

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The options that an architecture uses; none for layers beyond the depth of their stage."""
        self.space.validate(choices)
        paths: dict[str, list[tuple[int, ...]]] = {name: [] for name in self.groups}
        for stage, ops in enumerate(self.space.stage_ops(choices)):
            for layer in range(self.space.depths[stage]):
                used = (self.space.layer_ops(layer).index(ops[layer]),) if layer < len(ops) else ()
                paths["rest" if layer else "first"].append(used)
            if depth_group(stage) in paths:
                paths[depth_group(stage)].append((self.space.depth_options(stage).index(len(ops)),))
        return {name: tuple(path) for name, path in paths.items()}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """The operation of a layer is one of the layer's candidates here."""
        self.space.validate(choices)
        return {
            f"body.stages.{stage}.{layer}": f"body.stages.{stage}.layers.{layer}.candidates."
            f"{self.space.layer_ops(layer).index(op)}"
            for stage, ops in enumerate(self.space.stage_ops(choices))
            for layer, op in enumerate(ops)
        }


def _row(weights: OptionWeights, edge: int) -> OptionWeights:
    active = None if weights.active is None else (weights.active[edge],)
    return OptionWeights(weights.values[edge : edge + 1], active)


def _deeper(probabilities: Mapping[str, Tensor], *, group: str, options: Sequence[int]) -> Tensor:
    """The probability that a stage is one of some depths."""
    return probabilities[group][0, list(options)].sum()
