"""From an architecture record to a backbone."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch import Tensor

from lightning_nas.architecture import Architecture
from lightning_nas.networks.weights import load_weights
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.rebuild import from_architecture

__all__ = ["SelectedFeatures", "build_network", "load_backbone", "load_weights"]


class SelectedFeatures(Backbone):
    """A backbone that returns some of another one's feature maps, in the given order.

    The whole network is computed, also layers behind the deepest level that is chosen: with those left out of the loss,
    distributed training needs ``find_unused_parameters``.

    Args:
        network: The backbone.
        out_indices: Which of the maps that it returns; negative ones count from the end. A number: so many of the last.

    Raises:
        ValueError: If a level does not exist, or none is chosen.
    """

    def __init__(self, network: Backbone, out_indices: int | Sequence[int]) -> None:
        super().__init__()
        auxiliary = network.auxiliary_info
        self.feature_info = network.feature_info.select(out_indices).within("network")
        self.auxiliary_info = None if auxiliary is None else auxiliary.within("network")
        self.role = network.role
        self.out_indices = network.feature_info.positions(out_indices)
        self.network = network

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the chosen maps, and the auxiliary map of the network."""
        features, auxiliary = self.network.forward_auxiliary(x)
        return [features[index] for index in self.out_indices], auxiliary


def build_network(architecture: Architecture) -> Backbone:
    """The network of an architecture, freshly initialised.

    Raises:
        ArchitectureError: If the record names an unknown space, argument, decision or option.
    """
    space, choices = from_architecture(architecture)
    return space.network(choices)


def load_backbone(
    architecture: str | os.PathLike[str] | Architecture,
    weights: str | os.PathLike[str] | None = None,
    out_indices: Sequence[int] | None = None,
    in_channels: int | None = None,
) -> Backbone:
    """A found backbone for any project: an ordinary module, no search code is loaded.

    Args:
        architecture: The record, or its file ``architecture.json``.
        weights: Lightning checkpoint of a module whose ``backbone`` it was, saved state dict, or ``.safetensors``.
            Freshly initialised if None.
        out_indices: Levels that ``forward`` returns, e.g. ``(1, 2, 3, 4)``; all if None. Negative ones count from the
            end.
        in_channels: Channels of the image, if other than recorded. Weights must have been trained with as many.

    Returns:
        A module that maps ``(B, in_channels, H, W)`` to a list of maps, described by its ``feature_info``.

    Raises:
        FileNotFoundError: If a file is missing.
        ArchitectureError: If the record is malformed or does not belong to its space.
        WeightsError: If the weights do not fit; the error lists what.
        ValueError: If a level does not exist.

    Example:
        >>> from lightning_nas.spaces import Darts
        >>> space = Darts(channels=4, cells=3)
        >>> architecture = space.architecture(space.decode(space.supernet().logits))
        >>> backbone = load_backbone(architecture, out_indices=(1, 2))
        >>> backbone.feature_info.channels(), backbone.feature_info.reduction()
        ([32, 64], [2, 4])
    """
    record = architecture if isinstance(architecture, Architecture) else Architecture.load(architecture)
    if in_channels is not None:
        record = record.with_args("backbone", in_channels=in_channels)
    network = build_network(record)
    if weights is not None:
        load_weights(network, weights)
    return network if out_indices is None else SelectedFeatures(network, out_indices)
