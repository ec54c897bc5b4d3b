"""The found network of the chain space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lightning_nas.ops import build_op
from lightning_nas.ops.dilation import dilate
from lightning_nas.spaces.chain.body import Body
from lightning_nas.spaces.features import Backbone

if TYPE_CHECKING:
    from lightning_nas.spaces.chain.space import Chain


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
