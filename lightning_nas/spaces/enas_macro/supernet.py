"""The supernet of the macro space of ENAS (Pham et al. 2018, arXiv 1802.03268)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces.enas_macro.body import MacroBody, Skips
from lightning_nas.spaces.enas_macro.space import NO_YES, EnasMacro
from lightning_nas.spaces.option_weights import OptionWeights, Paths
from lightning_nas.spaces.supernet import Supernet

OPS, SKIPS = "ops", "skips"
YES = 1


class LayerMix(MixedOp):
    """All operations of a layer, side by side; an empty selection gives zeros."""

    def forward(self, x: Tensor, weights: Tensor, active: Sequence[int] | None = None) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        out = super().forward(x, weights, active)
        return torch.zeros_like(x) if out is None else out


class EnasMacroSupernet(Supernet, space=EnasMacro):
    """The supernet; logits ``ops``, ``(layers, operations)``, and ``skips``, ``(no, yes)`` per pair of layer and state."""

    def __init__(self, space: EnasMacro, generator: torch.Generator | None = None) -> None:
        pairs = sum(range(space.layers))
        super().__init__({OPS: (space.layers, len(space.ops)), SKIPS: (pairs, 2)}, generator)
        self.space = space

        def build(_: int, channels: int) -> nn.Module:
            return LayerMix(space.ops, channels, 1, pool_norm=False, affine=space.supernet_affine)

        self.body = MacroBody(space, build, [range(layer) for layer in range(space.layers)])
        self.feature_info = self.body.feature_info.within("body")

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` feature maps, None."""
        weights = self.option_weights()
        ops, skips = weights[OPS], weights[SKIPS]
        op_inputs = [
            (ops.values[layer], None if ops.active is None else ops.active[layer]) for layer in range(self.space.layers)
        ]
        return self.body(x, self._skips(skips), op_inputs), None

    def _skips(self, weights: OptionWeights) -> list[Skips]:
        """Per layer the states whose ``yes`` is computed, with its value."""
        skips: list[Skips] = []
        row = 0
        for layer in range(self.space.layers):
            computed = [s for s in range(layer) if weights.active is None or YES in weights.active[row + s]]
            skips.append({state: weights.values[row + state, YES] for state in computed})
            row += layer
        return skips

    @staticmethod
    def decode(space: EnasMacro, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest option of every decision; ties go to the lower index, ``no`` for skips."""
        ops = logits[OPS].detach().double().cpu().argmax(dim=-1).tolist()
        skips = iter(logits[SKIPS].detach().double().cpu().argmax(dim=-1).tolist())
        choices: dict[str, Option] = {}
        for layer in range(space.layers):
            choices[f"layer.{layer}.op"] = space.ops[ops[layer]]
            for state in range(layer):
                choices[f"layer.{layer}.skip.{state}"] = NO_YES[next(skips)]
        return choices

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The operation of every layer; no or yes for every skip."""
        self.space.validate(choices)
        ops = tuple((self.space.ops.index(op),) for op in self.space.layer_ops(choices))
        skips = tuple(
            (int(state in states),)
            for layer, states in enumerate(self.space.layer_skips(choices))
            for state in range(layer)
        )
        return {OPS: ops, SKIPS: skips}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """The operation of a layer is one of the layer's candidates here; all other modules have equal names."""
        self.space.validate(choices)
        return {
            f"body.layers.{layer}.op": f"body.layers.{layer}.op.candidates.{self.space.ops.index(op)}"
            for layer, op in enumerate(self.space.layer_ops(choices))
        }
