"""Fixed network and supernet of the chain space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.ops import build_op
from lightning_nas.ops.dilation import dilate
from lightning_nas.ops.inverted_residual import InvertedResidual, conv_bn
from lightning_nas.spaces.features import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.spaces.supernet import OptionWeights, Paths, Supernet

if TYPE_CHECKING:
    from lightning_nas.spaces.chain import Chain


def depth_group(stage: int) -> str:
    """Name of the logits of a stage's depth."""
    return f"depth{stage}"


class Body(nn.Module):
    """Stem, stages, optional closing convolution; returns the last map of every resolution.

    Args:
        space: The chain space.
        stages: One module per stage; each is called with its index and the state.
    """

    def __init__(self, space: Chain, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_bn(space.in_channels, space.stem_channels, 3, space.stem_stride),
            InvertedResidual(space.stem_channels, space.first_channels, expansion=1),
        )
        self.stages = nn.ModuleList(stages)
        self.head = conv_bn(space.widths[-1], space.head_channels, 1) if space.head_channels else nn.Identity()
        taps: list[FeatureLevel] = []
        self._taken: set[int] = set()  # stages whose input is the last map of its resolution
        current = FeatureLevel(space.first_channels, space.stem_stride, "stem")
        for index, (width, (stride, *_)) in enumerate(zip(space.widths, space.resolutions, strict=True)):
            if stride == 2:
                taps.append(current)
                self._taken.add(index)
            current = FeatureLevel(width, current.reduction * stride, f"stages.{index}")
        if space.head_channels:
            current = FeatureLevel(space.head_channels, current.reduction, "head")
        self.feature_info = FeatureInfo((*taps, current))

    def forward(self, x: Tensor, stage_inputs: Sequence[tuple[object, ...]] | None = None) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`. ``stage_inputs`` go to the stages."""
        features = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if index in self._taken:
                features.append(x)
            x = stage(x, *(stage_inputs[index] if stage_inputs else ()))
        return [*features, self.head(x)]


class ChainNetwork(Backbone):
    """A found network of the chain space; ``stage_ops`` are the operations of its layers, per stage."""

    def __init__(self, space: Chain, stage_ops: Sequence[Sequence[str]]) -> None:
        super().__init__()
        stages = []
        width = space.first_channels
        for ops, out, (stride, first, dilation) in zip(stage_ops, space.widths, space.resolutions, strict=True):
            layers = [
                dilate(build_op(name, out if i else width, out, stride=1 if i else stride), dilation if i else first)
                for i, name in enumerate(ops)
            ]
            stages.append(nn.Sequential(*layers))
            width = out
        self.body = Body(space, stages)
        self.feature_info = self.body.feature_info.within("body")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.body(x), None


class MixedLayer(nn.Module):
    """All candidates of one layer: ``sum_o weight_o * candidate_o(x)``; ``affine`` is their BatchNorm's."""

    def __init__(
        self,
        names: Sequence[str],
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        dilation: int = 1,
        affine: bool = False,
    ) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(
            dilate(build_op(name, in_channels, out_channels, stride=stride, affine=affine), dilation) for name in names
        )

    def forward(self, x: Tensor, weights: Tensor, active: Sequence[int] | None) -> Tensor:
        """``(B, in_channels, H, W) -> (B, out_channels, H/stride, W/stride)``; at least one candidate is active."""
        indices = range(len(self.candidates)) if active is None else active
        terms = [weights[index] * self.candidates[index](x) for index in indices]
        return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


class MixedStage(nn.Module):
    """The mixed layers of a stage and the mix of its depths: ``sum_d weight_d * (state after d layers)``.

    Args:
        space: The chain space.
        stage: Index of the stage.
        in_channels: Channels of its input.
    """

    def __init__(self, space: Chain, stage: int, in_channels: int) -> None:
        super().__init__()
        width, (stride, first, dilation) = space.widths[stage], space.resolutions[stage]
        self.depths = space.depth_options(stage)
        self.layers = nn.ModuleList(
            MixedLayer(
                space.layer_ops(layer),
                width if layer else in_channels,
                width,
                1 if layer else stride,
                dilation=dilation if layer else first,
            )
            for layer in range(space.depths[stage])
        )

    def forward(self, x: Tensor, layers: Sequence[OptionWeights], depth: OptionWeights | None) -> Tensor:
        """``layers`` holds a row of option weights per layer, ``depth`` a row over the depths (None: full depth)."""
        active = None if depth is None or depth.active is None else depth.active[0]
        wanted = dict(enumerate(self.depths)) if active is None else {i: self.depths[i] for i in active}
        terms = []
        for layer in range(max(wanted.values())):
            row = layers[layer]
            x = self.layers[layer](x, row.values[0], None if row.active is None else row.active[0])
            terms += [depth.values[0, i] * x for i, d in wanted.items() if depth is not None and d == layer + 1]
        if depth is None:
            return x
        return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


class ChainSupernet(Supernet):
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
        widths = (space.first_channels, *space.widths)
        self.body = Body(space, [MixedStage(space, stage, widths[stage]) for stage in stages])
        self.feature_info = self.body.feature_info.within("body")

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
