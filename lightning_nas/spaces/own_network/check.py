"""Finds out which groups of a network can be narrowed, by narrowing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lightning_nas.spaces.own_network.groups import ChannelGroup
from lightning_nas.spaces.own_network.narrow import Narrowed, Part, install, uninstall
from lightning_nas.spaces.own_network.selection import parts_of

Run = Callable[[nn.Module], Any]
TOLERANCE = 1e-3
"""Largest difference of outputs, as a share of their largest value, between narrow layers and channels nobody reads."""


class _Deaf(Part):
    """A part of a layer that is as wide as the layer, with weights of 0 for inputs that are gone."""

    def of(self, name: str, tensor: Tensor) -> Tensor:
        """The tensor with zeros."""
        for dim, index in self.indices[name].items():
            mask = torch.zeros(tensor.shape[dim], device=tensor.device, dtype=tensor.dtype)
            mask[index.to(tensor.device)] = 1
            tensor = tensor * mask.view([-1 if d == dim else 1 for d in range(tensor.dim())])
        return tensor


def keep_elastic(
    model: nn.Module, groups: Sequence[ChannelGroup], narrowest: Mapping[str, list[Tensor]], run: Run
) -> tuple[list[ChannelGroup], dict[str, str]]:
    """The groups with which the network runs and computes what it should; the others -> why not.

    A network without some channels must return what the full one returns when no layer reads these channels. Where a
    normalisation sees them as well, that does not hold, and the network must only run.

    Args:
        model: The full network, in evaluation mode.
        groups: Those to be tried.
        narrowest: Per group the positions that are gone when it is as narrow as possible.
        run: Computes the outputs of the network on the example.
    """
    with torch.no_grad():
        apart = [group for group in groups if not group.normalised_together]
        if _defect(model, apart, narrowest, run) is None and _defect(model, groups, narrowest, run) is None:
            return list(groups), {}
        reasons = {group.name: _defect(model, [group], narrowest, run) for group in groups}
        fixed = {name: reason for name, reason in reasons.items() if reason is not None}
        return [group for group in groups if group.name not in fixed], fixed


def _defect(
    model: nn.Module, groups: Sequence[ChannelGroup], narrowest: Mapping[str, list[Tensor]], run: Run
) -> str | None:
    """Why these groups cannot be as narrow as possible; None if they can."""
    if not groups:
        return None
    parts = parts_of(model, [(group, narrowest[group.name]) for group in groups])
    exact = not any(group.normalised_together for group in groups)
    full = _outputs(model, run, _deaf_parts(parts, groups) if exact else {})
    try:
        narrow = _outputs(model, run, parts)
    except Exception as error:  # of whatever the user's forward does with fewer channels
        return f"the network does not run with fewer of its channels: {type(error).__name__}: {error}"
    if [x.shape for x in full] != [x.shape for x in narrow]:
        return "the shapes of the outputs depend on it"
    if not exact:
        return None
    scale = max(float(x.abs().max()) for x in full if x.numel())
    change = max(float((x - y).abs().max()) for x, y in zip(full, narrow, strict=True) if x.numel())
    if not change <= TOLERANCE * max(scale, 1e-6):
        return "the outputs change in more than what its channels add: something reads them by their position or number"
    return None


def _deaf_parts(parts: dict[str, Part], groups: Sequence[ChannelGroup]) -> dict[str, Part]:
    """Full layers that do not read what is gone."""
    deaf: dict[str, Part] = {}
    for group in groups:
        for place in group.places:
            if place.consumes and place.module in parts:
                ((name, dim),) = place.tensors
                deaf.setdefault(place.module, _Deaf()).indices[name] = {dim: parts[place.module].indices[name][dim]}
    return deaf


def _outputs(model: nn.Module, run: Run, parts: dict[str, Part]) -> list[Tensor]:
    """All tensors of floating point that the network returns while parts of its modules are active."""
    try:
        for name, part in parts.items():
            module = model.get_submodule(name)
            install(module, Narrowed(module, part))
        return [x.float() for x in tree_leaves(run(model)) if isinstance(x, Tensor) and x.is_floating_point()]
    finally:
        for name in parts:
            uninstall(model.get_submodule(name))
