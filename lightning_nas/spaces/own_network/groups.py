"""Groups of coupled channels: where they lie, and what is gone where fewer are kept. Plain tensors and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Place:
    """One dimension of one layer that channels of a group occupy.

    Args:
        module: Name of the layer.
        tensors: Its parameters and buffers, each with the dimension.
        sizes: Its attributes that hold the number of channels; of a tuple with the entry, else None.
        channels: Positions along the dimension, ``(n,)``.
        units: Per position the unit of the group to which it belongs, ``(n,)``.
        period: Positions are taken modulo this number in the tensors: inputs of a grouped convolution. 0: as they are.
        consumes: Whether the layer mixes these channels: an input of a convolution or linear layer.
    """

    module: str
    tensors: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[str, int | None], ...]
    channels: Tensor
    units: Tensor
    period: int = 0
    consumes: bool = False

    def indices(self, positions: Tensor) -> Tensor:
        """Positions in the tensors."""
        return positions % self.period if self.period else positions


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that can only go together: all that is tied by sums, depthwise convolutions, normalisations, concatenations.

    Args:
        name: The first layer that makes them.
        units: Number of units that are kept or left out as a whole; of a grouped convolution one channel per group.
        per_unit: Channels of the first layer in a unit.
        places: Where they lie.
        normalised_together: Whether a normalisation over several channels, such as LayerNorm, is among the places.
    """

    name: str
    units: int
    per_unit: int
    places: tuple[Place, ...] = field(repr=False)
    normalised_together: bool = False

    def importance(self, network: nn.Module) -> Tensor:
        """Sum of squares of all weights that belong to a unit, ``(units,)``; biases and statistics count for nothing."""
        result = torch.zeros(self.units, dtype=torch.float64)
        for place in self.places:
            module = network.get_submodule(place.module)
            for name, dim in place.tensors:
                weight = module._parameters.get(name)
                if name == "weight" and weight is not None and weight.dim() > 1:
                    squares = weight.detach().double().square().transpose(0, dim).flatten(1).sum(1).cpu()
                    result.index_add_(0, place.units, squares[place.indices(place.channels)])
        return result

    def counts(self, widths: Sequence[float]) -> tuple[int, ...]:
        """Channels of the first layer that are kept at these shares of them, fewest first."""
        return tuple(sorted({max(1, round(width * self.units)) * self.per_unit for width in widths}))

    def gone(self, order: Tensor, channels: int) -> list[Tensor]:
        """Positions that are gone at every place.

        Args:
            order: The units, most important first.
            channels: How many channels of the first layer are kept.
        """
        gone = torch.ones(self.units, dtype=torch.bool)
        gone[order[: channels // self.per_unit]] = False
        return [place.channels[gone[place.units]] for place in self.places]
