"""From choices to what is left of every module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.spaces.own_network.groups import ChannelGroup, tensor_of
from lightning_nas.spaces.own_network.narrow import Part


def parts_of(network: nn.Module, gone: Iterable[tuple[ChannelGroup, list[Tensor]]]) -> dict[str, Part]:
    """What is left of every module in which channels are gone.

    Args:
        network: The full network.
        gone: Groups with the positions that are gone at each of their places.
    """
    masks: dict[tuple[str, str, int], Tensor] = {}
    less: dict[tuple[str, str, int | None], int] = defaultdict(int)
    for group, positions in gone:
        for place, channels in zip(group.places, positions, strict=True):
            module = network.get_submodule(place.module)
            for name, dim in place.tensors:
                key = (place.module, name, dim)
                if key not in masks:
                    masks[key] = torch.ones(tensor_of(module, name).shape[dim], dtype=torch.bool)
                masks[key][place.indices(channels)] = False
            for attribute, entry in place.sizes:
                less[place.module, attribute, entry] += len(channels)
    parts: dict[str, Part] = defaultdict(Part)
    for (module_name, name, dim), mask in masks.items():
        parts[module_name].indices.setdefault(name, {})[dim] = mask.nonzero().squeeze(1)
    for (module_name, attribute, entry), count in less.items():
        value = getattr(network.get_submodule(module_name), attribute)
        parts[module_name].sizes[attribute] = _reduced(value, entry, count)
    return dict(parts)


def _reduced(value: Any, entry: int | None, count: int) -> Any:
    if entry is None:
        return value - count
    return type(value)(size - count if index == entry else size for index, size in enumerate(value))


def cut(network: nn.Module, parts: Mapping[str, Part], skipped: Iterable[str]) -> None:
    """Leaves of a network, in place, what is active of it; blocks that are left out become identities.

    Args:
        network: The full network, which changes.
        parts: From :func:`parts_of`.
        skipped: Names of blocks.
    """
    for name, part in parts.items():
        module = network.get_submodule(name)
        for key in part.indices:
            whole = tensor_of(module, key)
            left = part.of(key, whole.detach()).clone()
            if key in module._parameters:
                module._parameters[key] = nn.Parameter(left, requires_grad=whole.requires_grad)
            else:
                module._buffers[key] = left
        for attribute, size in part.sizes.items():
            setattr(module, attribute, size)
    for name in skipped:
        network.set_submodule(name, nn.Identity())
    for p in network.parameters():
        p.grad = None
