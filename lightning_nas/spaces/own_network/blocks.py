"""Finds residual blocks: modules of equal input and output shape that add something to their input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_PASSES = ("Add", "Relu", "Silu", "Hardtanh", "Hardswish", "Gelu", "LeakyRelu", "Elu", "Alias", "Clone")
"""Nodes of a graph of gradients through which a shortcut goes: sums and activations."""


@dataclass
class _Call:
    """What one call of a module has read and returned: nodes of the graph of gradients, and shapes."""

    source: Any
    sink: Any
    plain: bool


def residual_blocks(model: nn.Module, run: Callable[[nn.Module], Any]) -> list[str]:
    """Names of the innermost residual blocks, in the order of the network.

    A block is called once, with one tensor, returns one of the same shape, and in it a way of sums and activations alone
    leads from the input to the output, beside another way that adds something computed from the input.

    Args:
        model: From :func:`~lightning_nas.spaces.own_network.graph.traceable_copy`.
        run: Computes the outputs of such a network on the example.
    """
    calls: dict[str, list[_Call]] = {}
    sources: dict[str, list[Any]] = {}
    hooks = []
    for name, module in model.named_modules():
        if not name or not any(True for _ in module.children()):
            continue

        def before(module: nn.Module, args: Any, kwargs: Any, name: str = name) -> None:
            single = len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
            sources.setdefault(name, []).append(args[0].grad_fn if single else None)

        def after(module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name) -> None:
            plain = isinstance(output, Tensor) and len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
            plain = plain and output.shape == args[0].shape
            sink = output.grad_fn if plain else None
            calls.setdefault(name, []).append(_Call(sources[name].pop(), sink, plain))

        hooks += [
            module.register_forward_pre_hook(before, with_kwargs=True),
            module.register_forward_hook(after, with_kwargs=True),
        ]
    with torch.enable_grad():
        run(model)
    for hook in hooks:
        hook.remove()
    residual = [
        name
        for name, made in calls.items()
        if len(made) == 1 and made[0].plain and _adds_to_input(made[0].sink, made[0].source)
    ]
    order = {name: index for index, (name, _) in enumerate(model.named_modules())}
    innermost = [name for name in residual if not any(other.startswith(f"{name}.") for other in residual)]
    return sorted(innermost, key=order.__getitem__)


def _adds_to_input(sink: Any, source: Any) -> bool:
    """Whether a shortcut leads to the source, beside a branch that leads there as well."""
    if source is None or sink is None:
        return False
    stack, seen = [sink], {sink}
    while stack:
        node = stack.pop()
        following = [after for after, _ in node.next_functions if after is not None]
        if "Add" in node.name() and len(following) == 2:
            for one, other in (following, following[::-1]):
                if _through_sums(one, source) and _reaches(other, source):
                    return True
        if node is not source and node.name().startswith(_PASSES):
            fresh = [after for after in following if after not in seen]
            seen.update(fresh)
            stack += fresh
    return False


def _through_sums(node: Any, source: Any) -> bool:
    """Whether the source is reached by sums and activations alone."""
    if node is source:
        return True
    if not node.name().startswith(_PASSES):
        return False
    return any(_through_sums(after, source) for after, _ in node.next_functions if after is not None)


def _reaches(node: Any, source: Any) -> bool:
    """Whether the source is reached at all."""
    stack, seen = [node], {node}
    while stack:
        node = stack.pop()
        if node is source:
            return True
        fresh = [after for after, _ in node.next_functions if after is not None and after not in seen]
        seen.update(fresh)
        stack += fresh
    return False
