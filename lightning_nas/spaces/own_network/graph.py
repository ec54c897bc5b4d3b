"""Finds the groups of coupled channels of a network, with torch-pruning's dependency graph.

Source: Fang et al. 2023, "DepGraph: Towards Any Structural Pruning", arXiv 2301.12900.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.own_network.groups import ChannelGroup, Place
from lightning_nas.spaces.own_network.layers import blocks_of_channels, place_of, together


def torch_pruning() -> Any:
    """The library.

    Raises:
        ImportError: If it is not installed; says how to install it.
    """
    try:
        return import_module("torch_pruning")
    except ModuleNotFoundError as error:
        if error.name != "torch_pruning":
            raise
        raise ImportError(
            "torch_pruning is not installed, and finds the channels that belong together: pip install torch-pruning "
            "(or lightning-nas[elastic])"
        ) from None


def traceable_copy(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, all of whose parameters take part in a graph of gradients.

    Raises:
        ArgumentError: If it cannot be copied.
    """
    try:
        twin = copy.deepcopy(model).eval()
    except Exception as error:  # of the user's own classes, whatever they raise
        raise ArgumentError(f"model: {type(model).__name__} cannot be copied: {error}") from error
    for p in twin.parameters():
        p.requires_grad_(p.is_floating_point())
    return twin


def find_groups(
    model: nn.Module, run: Callable[[nn.Module], Any]
) -> tuple[list[ChannelGroup], dict[str, str]]:
    """All groups but those of the outputs.

    Args:
        model: From :func:`traceable_copy`.
        run: Computes the outputs of such a network on the example.

    Returns:
        The groups in the order of the network, and those that cannot be elastic -> why.

    Raises:
        ArgumentError: If the graph cannot be traced.
    """
    pruning = torch_pruning()
    graph = pruning.DependencyGraph()
    try:
        with torch.enable_grad():
            graph.build_dependency(
                model,
                example_inputs=None,
                forward_fn=lambda network, _: run(network),
                # Times 1: an output has a node of its own then, also where a layer returns it.
                output_transform=lambda output: [x * 1.0 for x in tree_leaves(output) if _has_graph(x)],
                verbose=False,
            )
            found = list(graph.get_all_groups())
    except Exception as error:  # whatever the library meets
        raise ArgumentError(
            f"model: the dependencies of {type(model).__name__} cannot be traced ({type(error).__name__}: {error}); expected "
            "a network whose outputs follow from example_input by differentiable operations on tensors: pass the part "
            "that is, e.g. its backbone"
        ) from error
    names = {module: name for name, module in model.named_modules()}
    position = {name: index for index, name in enumerate(names.values())}
    groups, fixed = [], {}
    for group in found:
        made = _channel_group(graph, group, names, position)
        if isinstance(made, ChannelGroup):
            groups.append(made)
        elif made is not None:
            fixed[made[0]] = made[1]
    return sorted(groups, key=lambda group: position[group.name]), fixed


def _has_graph(x: Any) -> bool:
    return isinstance(x, Tensor) and x.grad_fn is not None


def _channel_group(
    graph: Any, group: Any, names: Mapping[Any, str], position: Mapping[str, int]
) -> ChannelGroup | tuple[str, str] | None:
    """A group in our terms; its name and why it stays as it is; None if it belongs to the outputs."""
    types = graph.ops.OPTYPE
    items = [(item.dep, item.idxs, item.root_idxs) for item in group]
    makers = [
        names[dep.target.module]
        for dep, _, _ in items
        if isinstance(dep.target.module, nn.modules.conv._ConvNd | nn.Linear | nn.Embedding) and not _consumes(dep)
    ]
    name = min(makers, key=position.__getitem__)
    if any(dep.target.type == types.OUTPUT for dep, _, _ in items):
        return None
    if any(dep.target.type == types.UNBIND for dep, _, _ in items):
        return name, "its channels are divided among several tensors (unbind), e.g. queries, keys and values"
    operations = (types.CONCAT, types.SPLIT, types.ELEMENTWISE, types.RESHAPE, types.EXPAND, types.SLICE)
    places: list[Place] = []
    layers: list[nn.Module | None] = []
    for dep, idxs, roots in items:
        target = dep.target
        if target.type in operations:
            continue
        channels, units = torch.tensor(idxs), torch.tensor(roots)
        if target.type == types.PARAMETER:
            owner, _, own = graph._param_to_name[target.module].rpartition(".")
            place: Place | None = Place(owner, ((own, target.pruning_dim),), (), channels, units)
            layers.append(None)
        else:
            place = place_of(names[target.module], target.module, _consumes(dep), target.pruning_dim, channels, units)
            layers.append(target.module)
        if place is None:
            return name, f"channels of {names[target.module]} ({type(target.module).__name__}) cannot be left out one by one"
        places.append(place)
    return _in_units(name, places, layers)


def _consumes(dep: Any) -> bool:
    return bool(dep.handler.__name__ == "prune_in_channels")


def _in_units(
    name: str, places: Sequence[Place], layers: Sequence[nn.Module | None]
) -> ChannelGroup | tuple[str, str]:
    """Channels that must go together become units: equal offsets in all blocks of a grouped convolution or GroupNorm."""
    roots = 1 + int(max(int(place.units.max()) for place in places))
    ties: list[Tensor] = [torch.arange(roots).repeat(2, 1)]
    for place, layer in zip(places, layers, strict=True):
        blocks = blocks_of_channels(layer) if layer is not None else 1
        if blocks > 1:
            size = len(place.channels) // blocks
            if len(place.channels) != int(place.channels.max()) + 1:
                return name, f"it is only a part of the channels that {place.module} divides into {blocks} blocks"
            by_channel = place.units[place.channels.argsort()].view(blocks, size)
            ties += [torch.stack([by_channel[0], row]) for row in by_channel[1:]]
    edges = torch.cat(ties, dim=1).numpy()
    graph = coo_array(([1] * edges.shape[1], (edges[0], edges[1])), shape=(roots, roots))
    count, labels = connected_components(graph, directed=False)
    unit_of = torch.from_numpy(labels).long()
    sizes = torch.bincount(unit_of, minlength=count)
    if len(sizes.unique()) > 1:
        return name, "grouped convolutions tie unequal numbers of its channels"
    tied = [
        Place(p.module, p.tensors, p.sizes, p.channels, unit_of[p.units], p.period, p.consumes) for p in places
    ]
    return ChannelGroup(
        name, int(count), int(sizes[0]), tuple(tied), any(layer is not None and together(layer) for layer in layers)
    )
