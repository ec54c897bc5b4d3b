"""Layers, skips and reductions of the macro space of ENAS (Pham et al. 2018, arXiv 1802.03268)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from lightning_nas.ops import FactorizedReduce
from lightning_nas.spaces.cells.stems import plain_stem, strided_stem
from lightning_nas.spaces.enas_macro.space import EnasMacro
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel

Skips = Mapping[int, Tensor | None]
"""The states that a layer adds, with what each is multiplied with (None: it is not)."""


def reduced_layers(layers: int) -> tuple[int, int]:
    """The layers after which the resolution is halved."""
    return layers // 3 - 1, 2 * layers // 3 - 1


def plain_reduction(in_channels: int, out_channels: int) -> FactorizedReduce:
    """A factorized reduction of a map that keeps its negative values: without the ReLU in front."""
    reduction = FactorizedReduce(in_channels, out_channels)
    reduction.relu = nn.Identity()  # type: ignore[assignment]
    return reduction


class Layer(nn.Module):
    """An operation, the sum with skips, BatchNorm; the first layer, which has no skips, is the operation alone.

    Args:
        op: The operation, fixed or mixed; called with the state and what a mix needs.
        channels: Of its output.
        first: Whether it is the first layer.
    """

    def __init__(self, op: nn.Module, channels: int, first: bool) -> None:
        super().__init__()
        self.op = op
        self.norm = nn.Identity() if first else nn.BatchNorm2d(channels)

    def forward(self, states: Sequence[Tensor | None], skips: Skips, *op_inputs: object) -> Tensor:
        """All states so far -> the next one."""
        total = self.op(states[-1], *op_inputs)
        for state, value in skips.items():
            x = states[state]
            assert x is not None  # a state that is read has been reduced
            total = total + (x if value is None else value * x)
        out: Tensor = self.norm(total)
        return out


class MacroBody(nn.Module):
    """Stem, layers, reductions; returns the last map of every resolution.

    Args:
        space: The space.
        make_op: Makes the operation of a layer of so many channels.
        skips: Per layer the states that it may add; what none reads is not reduced.
    """

    def __init__(
        self, space: EnasMacro, make_op: Callable[[int, int], nn.Module], skips: Sequence[Sequence[int]]
    ) -> None:
        super().__init__()
        cifar, channels = space.stem == "cifar", space.channels
        self.stem = (plain_stem if cifar else strided_stem)(space.in_channels, channels)
        self.layers, self.reductions = nn.ModuleList(), nn.ModuleDict()
        self.reduced_after = reduced_layers(space.layers)
        stride, levels = 1 if cifar else 8, []
        for layer in range(space.layers):
            self.layers.append(Layer(make_op(layer, channels), channels, layer == 0))
            level = FeatureLevel(channels, stride, f"layers.{layer}")
            if layer in self.reduced_after:
                levels.append(level)
                wider = 2 * channels if space.doubling else channels
                self.reductions[str(layer)] = nn.ModuleDict(
                    {str(state): plain_reduction(channels, wider) for state in read_after(layer, skips)}
                )
                channels, stride = wider, 2 * stride
        self.feature_info = FeatureInfo((*levels, level))

    def forward(
        self, x: Tensor, skips: Sequence[Skips], op_inputs: Sequence[tuple[object, ...]] | None = None
    ) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`.

        Args:
            x: Images.
            skips: Of every layer.
            op_inputs: What the operation of every layer is called with besides a state.
        """
        states: list[Tensor | None] = [self.stem(x)]
        features = []
        for index, layer in enumerate(self.layers):
            out = layer(states, skips[index], *(op_inputs[index] if op_inputs else ()))
            states.append(out)
            if index in self.reduced_after or index == len(self.layers) - 1:
                features.append(out)
            if index in self.reduced_after:
                reductions: nn.ModuleDict = self.reductions[str(index)]  # type: ignore[assignment]
                needed = read_after(index, skips)
                states = [
                    reductions[str(state)](map_) if map_ is not None and state in needed else None
                    for state, map_ in enumerate(states)
                ]
        return features


def read_after(layer: int, skips: Sequence[Sequence[int] | Skips]) -> list[int]:
    """The states, of those that there are after a layer, that later layers read: by a skip, or as the previous one."""
    last = layer + 1
    later = {state for states in skips[layer + 1 :] for state in states}
    return [state for state in range(last + 1) if state in later or state == last]
