"""The found network of the chain space."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.ops import build_op
from lightning_nas.ops.layers.dilation import dilate
from lightning_nas.spaces.chain.body import Body
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.places import Place


class ChainNetwork(FoundNetwork, space=Chain):
    """A found network of the chain space."""

    def __init__(self, space: Chain, choices: Choices) -> None:
        super().__init__()
        stages = []
        width = space.entry_channels
        for ops, out, (stride, first, dilation) in zip(
            space.stage_ops(choices), space.widths, space.resolutions, strict=True
        ):
            layers = [
                dilate(build_op(name, out if i else width, out, stride=1 if i else stride), dilation if i else first)
                for i, name in enumerate(ops)
            ]
            stages.append(nn.Sequential(*layers))
            width = out
        self.body = Body(space, stages)
        self.feature_info = self.body.feature_info.within("body")

    def places(self) -> dict[str, Place]:
        """Where the layers stand."""
        return {f"body.{name}": place for name, place in self.body.places().items()}

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.body(x), None
