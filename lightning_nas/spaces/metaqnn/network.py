"""The networks of MetaQNN: plain chains with dropout by rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.fx
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.found import FoundNetwork
from lightning_nas.spaces.metaqnn.grammar import GAP, SOFTMAX, State
from lightning_nas.spaces.metaqnn.space import MetaQnn


def dropout_rates(tokens: Sequence[str]) -> list[float]:
    """Rate of the dropout that follows each layer, 0 for none.

    A dropout follows every second layer and every fully connected one, but neither the global pooling nor the end. The k-th
    of n has the rate k / 2n, where n counts half of all layers (the end among them, global pooling and fully connected ones
    not) and all fully connected ones: there may be fewer, and then the last rate stays below 0.5.

    Args:
        tokens: The layers, the softmax layer included.

    Example:
        >>> dropout_rates(["conv_64_3", "conv_64_3", "pool_5_3", "conv_256_3", "fc_128", "softmax"])
        [0.0, 0.16666666666666666, 0.0, 0.3333333333333333, 0.5, 0.0]
    """
    connected = sum(token.startswith("fc") for token in tokens)
    total = (len(tokens) - connected - tokens.count(GAP)) // 2 + connected
    rates, given = [], 0
    for place, token in enumerate(tokens, start=1):
        due = token.startswith("fc") or (place % 2 == 0 and token not in (GAP, SOFTMAX))
        given += due and given < total
        rates.append(given / total / 2 if due else 0.0)
    return rates


@torch.fx.wrap
def of_size(x: Tensor, size: int) -> Tensor:
    """The images, ``(B, C, size, size)``; not traced by torch.fx, because it looks at sizes.

    Raises:
        ValueError: If they have another size.
    """
    if tuple(x.shape[-2:]) != (size, size):
        raise ArgumentError(f"images must be {size}x{size}, the space's image_size, got {x.shape[-2]}x{x.shape[-1]}")
    return x


class AsFeatures(nn.Module):
    """A map as one pixel with a channel per number, so that a global pooling leaves every number as it is."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C * H * W, 1, 1)``."""
        return x.flatten(1)[:, :, None, None]


class MetaQnnNetwork(FoundNetwork, space=MetaQnn):
    """A found network; returns the last map of every size and, last, what the softmax layer reads.

    Args:
        tokens: The layers, the softmax layer included.
        states: The state before the first layer and after every one.
        in_channels: Channels of the image.
        batch_norm: Whether convolutions are followed, and poolings preceded, by a BatchNorm.
    """

    @classmethod
    def of(cls, space: MetaQnn, choices: Choices, inputs: FeatureInfo | None) -> MetaQnnNetwork:
        """The network of an architecture."""
        tokens = space.tokens(choices)
        return cls(tokens, list(space.grammar.states(tokens)), space.in_channels, batch_norm=space.batch_norm)

    def __init__(self, tokens: Sequence[str], states: Sequence[State], in_channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.image_size = states[0].size
        self.layers = nn.ModuleList()
        levels: list[FeatureLevel] = []
        self._taps: set[int] = set()
        channels, size = in_channels, self.image_size
        for token, after, rate in zip(tokens, states[1:], dropout_rates(tokens), strict=True):
            if token in (GAP, SOFTMAX):
                break
            if after.size < size and self.layers:  # what went before has the last map of its size
                self._taps.add(len(self.layers) - 1)
                levels.append(FeatureLevel(channels, self.image_size // size, f"layers.{len(self.layers) - 1}"))
            parts = self._layer(token, channels, size, batch_norm)
            self.layers.append(nn.Sequential(*parts, *([nn.Dropout(rate)] if rate else [])))
            channels, size = after.filters if after.layer == "conv" else after.features or channels, after.size
        if GAP in tokens or size == 1:
            self.end: nn.Module = nn.Identity()
        else:
            if self.layers:
                self._taps.add(len(self.layers) - 1)
                levels.append(FeatureLevel(channels, self.image_size // size, f"layers.{len(self.layers) - 1}"))
            self.end = AsFeatures()
            channels, size = channels * size**2, 1
        self.feature_info = FeatureInfo((*levels, FeatureLevel(channels, self.image_size // size, "end")))
        self._initialise()

    @staticmethod
    def _layer(token: str, channels: int, size: int, batch_norm: bool) -> list[nn.Module]:
        kind, *numbers = token.split("_")
        if kind == "pool":
            norm: list[nn.Module] = [nn.BatchNorm2d(channels)] if batch_norm else []
            return [*norm, nn.MaxPool2d(int(numbers[0]), int(numbers[1]))]
        out = int(numbers[0])
        if kind == "fc":  # a kernel as large as the map reads all of it
            return [nn.Conv2d(channels, out, size), nn.ReLU()]
        kernel = int(numbers[1])
        conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2)
        return [conv, *([nn.BatchNorm2d(out)] if batch_norm else []), nn.ReLU()]

    def _initialise(self) -> None:
        """Caffe's "xavier", with which the authors trained: variance 1 / inputs; no bias."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                bound = math.sqrt(3 / module.weight[0].numel())
                nn.init.uniform_(module.weight, -bound, bound)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, image_size, image_size) ->`` the maps of :attr:`feature_info`, None.

        Raises:
            ValueError: If the images have another size: the softmax layer reads maps of a fixed one.
        """
        x = of_size(x, self.image_size)
        features = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self._taps:
                features.append(x)
        return [*features, self.end(x)], None
