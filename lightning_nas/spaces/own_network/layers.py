"""Which tensors and attributes of a layer hold its channels, by the kinds of layers that torch-pruning knows."""

from __future__ import annotations

from typing import Any

from torch import nn

from lightning_nas.spaces.own_network.groups import Place

Tensors = tuple[tuple[str, int], ...]
Sizes = tuple[tuple[str, int | None], ...]
_PER_CHANNEL: Tensors = (("weight", 0), ("bias", 0), ("running_mean", 0), ("running_var", 0))


def place_of(name: str, layer: nn.Module, consumes: bool, dim: int, channels: Any, units: Any) -> Place | None:
    """Where channels lie in a layer; None for a kind of layer whose channels cannot be left out one by one.

    Args:
        name: Of the layer.
        layer: The layer.
        consumes: Whether the channels are its inputs, not its outputs.
        dim: Along which a LayerNorm holds them.
        channels: Positions, ``(n,)``.
        units: Their units, ``(n,)``.
    """
    layout = _layout(layer, consumes, dim)
    if layout is None:
        return None
    tensors, sizes, period, mixes = layout
    held = tuple((key, at) for key, at in tensors if _own(layer, key) is not None)
    if "weight" in dict(tensors) and not held and getattr(layer, "weight", None) is not None:
        return None  # its weight is computed from something else, e.g. by a parametrization
    return Place(name, held, sizes, channels, units, period, mixes)


def _own(layer: nn.Module, name: str) -> Any:
    return layer._parameters.get(name) if name in layer._parameters else layer._buffers.get(name)


def _layout(layer: nn.Module, consumes: bool, dim: int) -> tuple[Tensors, Sizes, int, bool] | None:
    if isinstance(layer, nn.modules.conv._ConvNd):
        across = 0 if layer.transposed else 1
        if layer.groups == layer.out_channels > 1:  # depthwise
            if layer.in_channels != layer.out_channels or layer.transposed:
                return None
            return (
                (("weight", 0), ("bias", 0)),
                (("in_channels", None), ("out_channels", None), ("groups", None)),
                0,
                False,
            )
        if layer.groups > 1 and layer.transposed:
            return None
        if consumes:
            period = layer.in_channels // layer.groups if layer.groups > 1 else 0
            return (("weight", across),), (("in_channels", None),), period, True
        return (("weight", 1 - across), ("bias", 0)), (("out_channels", None),), 0, False
    if isinstance(layer, nn.Linear):
        if consumes:
            return (("weight", 1),), (("in_features", None),), 0, True
        return (("weight", 0), ("bias", 0)), (("out_features", None),), 0, False
    if isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.modules.instancenorm._InstanceNorm):
        return _PER_CHANNEL, (("num_features", None),), 0, False
    if isinstance(layer, nn.GroupNorm):
        return _PER_CHANNEL[:2], (("num_channels", None),), 0, False
    if isinstance(layer, nn.LayerNorm):
        at = dim % len(layer.normalized_shape)
        return (("weight", at), ("bias", at)), (("normalized_shape", at),), 0, False
    if isinstance(layer, nn.PReLU):
        return (
            ((), (), 0, False)
            if layer.num_parameters == 1
            else ((("weight", 0),), (("num_parameters", None),), 0, False)
        )
    if isinstance(layer, nn.Embedding):
        return (("weight", 1),), (("embedding_dim", None),), 0, False
    return None


def together(layer: nn.Module) -> bool:
    """Whether a layer normalises several channels with one mean and variance."""
    return isinstance(layer, nn.LayerNorm | nn.GroupNorm)


def blocks_of_channels(layer: nn.Module) -> int:
    """Into how many equal blocks a layer divides its channels, each of which must keep as many as the others."""
    if isinstance(layer, nn.modules.conv._ConvNd):
        return 1 if layer.groups == layer.out_channels > 1 else layer.groups
    return layer.num_groups if isinstance(layer, nn.GroupNorm) else 1
