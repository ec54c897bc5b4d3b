"""All layers that a layer's channels are coupled with, by following torch-pruning's dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST = 2_000_000
"""Positions that are followed from one layer. Beyond, a rearrangement of channels was met that does not come to an end."""


@dataclass
class Member:
    """A node of the graph that holds channels of a group.

    Args:
        node: With its ``module``, ``type`` and ``pruning_dim``.
        consumes: Whether they are its inputs, where those differ from its outputs.
        units: Position there -> channel of the first layer.
    """

    node: Any
    consumes: bool
    units: dict[int, int]


def closure(graph: Any, module: Any) -> list[Member] | None:
    """The members of the group of a layer's outputs.

    As ``get_pruning_group`` does it, which compares long lists at every step and may not end.

    Args:
        graph: A dependency graph that has been built.
        module: A layer in it.

    Returns:
        None if it has more members than can be.
    """
    from torch_pruning._helpers import _HybridIndex as Position

    root = graph.module2node[module]
    pruner = graph.get_pruner_of_module(module)
    start = [Position(idx=i, root_idx=i) for i in range(pruner.get_out_channels(module))]
    members: dict[Any, Member] = {}
    stack, seen, followed = [(root, pruner.prune_out_channels, start)], set(), 0
    while stack:
        node, function, positions = stack.pop()
        key = (id(node), function, tuple(positions))
        if key in seen:
            continue
        seen.add(key)
        followed += len(positions)
        if followed > MOST:
            return None
        consumes = function.__name__ == "prune_in_channels"
        member = members.setdefault((id(node), function), Member(node, consumes, {}))
        for position in positions:
            member.units.setdefault(position.idx, position.root_idx)
        for dependency in node.dependencies:
            if dependency.is_triggered_by(function):
                mapped = positions
                for mapping in dependency.index_mapping:
                    mapped = mapped if mapping is None else mapping(mapped)
                if mapped:
                    stack.append((dependency.target, dependency.handler, mapped))
    return list(members.values())
