"""Mixed layers and stages of the chain space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops import build_op
from lightning_nas.ops.layers.dilation import dilate
from lightning_nas.ops.mixed import Candidates
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.option_weights import OptionWeights


class MixedLayer(Candidates):
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
        self.names, self.in_channels, self.channels = tuple(names), in_channels, out_channels
        self.stride, self.dilation, self.affine = stride, dilation, affine
        self.candidates = nn.ModuleList(self._built(name, affine=affine) for name in names)

    def _built(self, name: str, *, affine: bool) -> nn.Module:
        op = build_op(name, self.in_channels, self.channels, stride=self.stride, affine=affine)
        return dilate(op, self.dilation)

    @property
    def can_narrow(self) -> bool:
        """Of layers that keep the number of channels and the size of the map."""
        return self.in_channels == self.channels and self.stride == 1

    def narrowed(self, parts: int) -> MixedLayer:
        """The same on one of so many parts of the channels."""
        width = self.channels // parts
        return MixedLayer(self.names, width, width, 1, dilation=self.dilation, affine=self.affine)

    def found(self, option: int) -> nn.Module:
        """A candidate as found networks have it, with scale and shift in BatchNorm."""
        return self._built(self.names[option], affine=True)

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
