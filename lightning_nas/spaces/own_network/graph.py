"""Finds the groups of coupled channels of a network, with torch-pruning's dependency graph.

Source: Fang et al. 2023, "DepGraph: Towards Any Structural Pruning", arXiv 2301.12900.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from scipy.sparse import coo_array  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.own_network.closure import Member, closure
from lightning_nas.spaces.own_network.groups import ChannelGroup, Place
from lightning_nas.spaces.own_network.layers import blocks_of_channels, place_of, together

LOST = "its channels are rearranged so that torch-pruning cannot follow them"
"""Why some groups stay as they are."""


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


def find_groups(model: nn.Module, run: Callable[[nn.Module], Any]) -> tuple[list[ChannelGroup], dict[str, str]]:
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
            _follow_concatenations(graph)
    except Exception as error:  # whatever the library meets
        raise ArgumentError(
            f"model: the dependencies of {type(model).__name__} cannot be traced ({type(error).__name__}: {error}); expected "
            "a network whose outputs follow from example_input by differentiable operations on tensors: pass the part "
            "that is, e.g. its backbone"
        ) from error
    names = {module: name for name, module in model.named_modules()}
    position = {name: index for index, name in enumerate(names.values())}
    groups, fixed = [], {}
    done: set[Any] = set()
    for module in list(graph.module2node):
        if module in done or not isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            continue
        members = closure(graph, module)
        if members is None:
            done.add(module)
            fixed[names[module]] = LOST
            continue
        done |= {member.node.module for member in members if not member.consumes}
        made = _channel_group(graph, members, names, position)
        if isinstance(made, ChannelGroup):
            groups.append(made)
        elif made is not None:
            fixed[made[0]] = made[1]
    return sorted(groups, key=lambda group: position[group.name]), fixed


def _follow_concatenations(graph: Any) -> None:
    """Turns the counting of channels on again for concatenations of maps.

    The library leaves it off behind a parameter of three dimensions, which it takes for a vision transformer's position
    embedding (tokens are joined there, not channels); a scale of ``(channels, 1, 1)`` is one as well.
    """
    from torch_pruning.dependency.index_mapping import update_index_mapping

    for node in graph.module2node.values():
        if node.type == graph.ops.OPTYPE.CONCAT and not node.enable_index_mapping:
            maps = len(node.grad_fn._input_metadata[0].shape) == 4
            node.enable_index_mapping = maps and node.grad_fn._saved_dim == 1
    update_index_mapping(graph)


def _has_graph(x: Any) -> bool:
    return isinstance(x, Tensor) and x.grad_fn is not None


def _channel_group(
    graph: Any, members: Sequence[Member], names: Mapping[Any, str], position: Mapping[str, int]
) -> ChannelGroup | tuple[str, str] | None:
    """A group in our terms; its name and why it stays as it is; None if it belongs to the outputs."""
    types = graph.ops.OPTYPE
    kinds = {member.node.type for member in members}
    makers = [
        names[member.node.module]
        for member in members
        if isinstance(member.node.module, nn.modules.conv._ConvNd | nn.Linear | nn.Embedding) and not member.consumes
    ]
    name = min(makers, key=position.__getitem__)
    if types.OUTPUT in kinds:
        return None
    if types.UNBIND in kinds:
        return name, "its channels are divided among several tensors (unbind), e.g. queries, keys and values"
    operations = (types.CONCAT, types.SPLIT, types.ELEMENTWISE, types.RESHAPE, types.EXPAND, types.SLICE)
    places: list[Place] = []
    layers: list[nn.Module | None] = []
    for member in members:
        node, layer = member.node, member.node.module
        if node.type in operations:
            continue
        if None in member.units.values():
            return name, LOST
        channels, units = torch.tensor(list(member.units)), torch.tensor(list(member.units.values()))
        if node.type == types.PARAMETER:
            owner, _, own = graph._param_to_name[layer].rpartition(".")
            place: Place | None = Place(owner, ((own, node.pruning_dim),), (), channels, units)
            layers.append(None)
        else:
            place = place_of(names[layer], layer, member.consumes, node.pruning_dim, channels, units)
            layers.append(layer)
        if place is None:
            return name, f"channels of {names[layer]} ({type(layer).__name__}) cannot be left out one by one"
        if not place.fits(graph.model):
            return name, LOST
        places.append(place)
    return _in_units(name, places, layers)


def _in_units(name: str, places: Sequence[Place], layers: Sequence[nn.Module | None]) -> ChannelGroup | tuple[str, str]:
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
    tied = [Place(p.module, p.tensors, p.sizes, p.channels, unit_of[p.units], p.period, p.consumes) for p in places]
    return ChannelGroup(
        name, int(count), int(sizes[0]), tuple(tied), any(layer is not None and together(layer) for layer in layers)
    )
