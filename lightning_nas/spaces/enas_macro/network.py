"""The found network of the macro space of ENAS (Pham et al. 2018, arXiv 1802.03268)."""

from __future__ import annotations

from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.ops import build_op
from lightning_nas.spaces.enas_macro.body import MacroBody, Skips
from lightning_nas.spaces.enas_macro.space import EnasMacro
from lightning_nas.spaces.found import FoundNetwork


class EnasMacroNetwork(FoundNetwork, space=EnasMacro):
    """A found network of the macro space."""

    def __init__(self, space: EnasMacro, choices: Choices) -> None:
        super().__init__()
        ops, skips = space.layer_ops(choices), space.layer_skips(choices)
        self.skips: list[Skips] = [dict.fromkeys(states) for states in skips]
        self.body = MacroBody(space, lambda layer, channels: build_op(ops[layer], channels, channels), skips)
        self.feature_info = self.body.feature_info.within("body")

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        return self.body(x, self.skips), None
