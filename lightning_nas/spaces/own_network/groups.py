"""Groups of coupled channels: where they lie, and what is gone where fewer are kept. Plain tensors and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


def tensor_of(module: nn.Module, name: str) -> Tensor:
    """A parameter or buffer of a module, by its own name."""
    tensor = module._parameters[name] if name in module._parameters else module._buffers[name]
    assert tensor is not None
    return tensor


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

    def fits(self, network: nn.Module) -> bool:
        """Whether the tensors have all positions."""
        module = network.get_submodule(self.module)
        last = int(self.indices(self.channels).max())
        return all(last < tensor_of(module, name).shape[dim] for name, dim in self.tensors)


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

    def order(self, network: nn.Module) -> Tensor:
        """The units, most important first: by the sum of squares of all weights that belong to one, without biases."""
        total = torch.zeros(self.units)
        for place in self.places:
            module = network.get_submodule(place.module)
            for name, dim in place.tensors:
                weight = module._parameters.get(name)
                if name == "weight" and weight is not None and weight.dim() > 1:
                    others = [d for d in range(weight.dim()) if d != dim]
                    squares = torch.linalg.vector_norm(weight.detach().float(), dim=others).square().cpu()
                    total.index_add_(0, place.units, squares[place.indices(place.channels)])
        return total.argsort(descending=True, stable=True)

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
