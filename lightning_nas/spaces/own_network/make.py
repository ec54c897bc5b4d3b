"""``lightning_nas.elastic``: any traceable network becomes one of many widths and depths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.own_network.blocks import residual_blocks
from lightning_nas.spaces.own_network.check import keep_elastic
from lightning_nas.spaces.own_network.graph import find_groups, torch_pruning, traceable_copy
from lightning_nas.spaces.own_network.groups import ChannelGroup
from lightning_nas.spaces.own_network.space import OwnNetwork
from lightning_nas.spaces.own_network.supernet import ElasticModel

Run = Callable[[nn.Module], Any]


def elastic(
    model: nn.Module,
    example_input: Any,
    *,
    widths: Sequence[float] = (0.5, 0.75, 1.0),
    depth: bool = True,
    keep: Sequence[str] = (),
) -> ElasticModel:
    """Makes the widths and the residual depth of a network elastic. Its outputs stay as they are.

    Channels that are tied to each other by sums, depthwise convolutions, normalisations or concatenations form a group, which
    torch-pruning finds; each group is a decision, and so is each residual block of equal input and output shape. Those of
    the outputs stay. Every group is tried: one with which the network does not run, or computes something else than it
    should, stays as it is, and ``.fixed`` says why.

    Args:
        model: The network, on any device; it becomes a part of what is returned and is not copied.
        example_input: What it is called with: a tensor, a tuple of arguments, or a dictionary of named ones. Small images
            are enough.
        widths: Shares of the channels that a group may keep, the most important ones; 1.0 must be among them.
        depth: Whether residual blocks can be left out.
        keep: Names of modules that stay as they are: their widths, and the blocks in them.

    Returns:
        The elastic network: ``.space`` has the decisions, ``.activate(choices)`` makes it compute one architecture,
        ``.network(choices)`` is a plain copy that is cut to it.

    Raises:
        ImportError: If torch-pruning is not installed.
        ArgumentError: If an argument is out of range, the network cannot be run or traced on the example, or nothing of it
            can be elastic.

    Example:
        >>> from torchvision.models import resnet18
        >>> net = elastic(resnet18(), torch.rand(1, 3, 64, 64))
        >>> len(net.space.groups), net.space.blocks[:2]
        (12, ('layer1.0', 'layer1.1'))
        >>> small = net.network(net.space.smallest())
        >>> type(small).__name__, small.conv1.out_channels
        ('ResNet', 32)
    """
    torch_pruning()
    _check_arguments(model, example_input, widths, keep)
    run = _runner(model, example_input)
    twin = traceable_copy(model)
    _check_runs(twin, run)
    blocks = [name for name in residual_blocks(twin, run) if not _kept(name, keep)] if depth else []
    found, fixed = find_groups(twin, run)
    del twin
    groups = [group for group in found if not any(_kept(p.module, keep) for p in group.places if not p.consumes)]
    groups = [group for group in groups if len(group.counts(widths)) > 1]
    orders = {group.name: group.order(model) for group in groups}
    narrowest = {group.name: group.gone(orders[group.name], group.counts(widths)[0]) for group in groups}
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        groups, failed = keep_elastic(model, groups, narrowest, run)
    finally:
        for module, mode in training.items():
            module.training = mode
    fixed |= failed
    if not groups and not blocks:
        raise ArgumentError(
            f"model: nothing of {type(model).__name__} can be elastic with widths = {tuple(widths)}, depth = {depth}, "
            f"keep = {list(keep)}; found {len(found)} groups of channels besides those of the outputs, and no block"
            + "".join(f"; {name}: {reason}" for name, reason in fixed.items())
        )
    space = OwnNetwork(
        groups=tuple(group.name for group in groups),
        channels=tuple(group.counts(widths) for group in groups),
        within=tuple(_around(group, blocks) for group in groups),
        blocks=tuple(blocks),
    )
    return ElasticModel(model, space, groups, [orders[group.name] for group in groups], fixed)


def _check_arguments(model: Any, example_input: Any, widths: Any, keep: Any) -> None:
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if isinstance(model, ElasticModel) or any(isinstance(part, ElasticModel) for part in model.modules()):
        raise ArgumentError("model is elastic already: pass the network that it was made of, .model")
    if not any(isinstance(x, Tensor) for x in tree_leaves(example_input)):
        raise ArgumentError(
            f"example_input must be a tensor, a tuple or a dictionary with tensors, got {type(example_input).__name__}"
        )
    numbers = isinstance(widths, Sequence) and not isinstance(widths, str) and all(
        isinstance(width, int | float) and not isinstance(width, bool) and 0 < width <= 1 for width in widths
    )  # fmt: skip
    if not numbers or 1 not in widths:
        raise ArgumentError(f"widths must be shares above 0 and at most 1, with 1.0 among them, got {widths!r}")
    if isinstance(keep, str):
        raise ArgumentError(f"keep must be a list of names of modules, got {keep!r}")
    known = {name for name, _ in model.named_modules() if name}
    for name in keep:
        if name not in known:
            raise ArgumentError(f"keep: {type(model).__name__} has no module {name!r}; it has {sorted(known)[:20]} ...")


def _runner(model: nn.Module, example_input: Any) -> Run:
    """Calls a network like the model on the example."""

    def run(network: nn.Module) -> Any:
        if isinstance(example_input, Mapping):
            return network(**example_input)
        return network(*example_input) if isinstance(example_input, tuple) else network(example_input)

    return run


def _check_runs(twin: nn.Module, run: Run) -> None:
    try:
        with torch.enable_grad():
            outputs = [x for x in tree_leaves(run(twin)) if isinstance(x, Tensor)]
    except Exception as error:  # of the user's own forward
        raise ArgumentError(
            f"example_input: {type(twin).__name__} cannot be run on it ({type(error).__name__}: {error}); expected what the "
            "network is called with, on the same device"
        ) from error
    if not any(x.requires_grad for x in outputs):
        raise ArgumentError(
            f"model: the outputs of {type(twin).__name__} do not depend on its weights by differentiable operations, so it "
            "cannot be traced: pass the part that does, e.g. its backbone"
        )


def _kept(name: str, keep: Sequence[str]) -> bool:
    return any(name == kept or name.startswith(f"{kept}.") for kept in keep)


def _around(group: ChannelGroup, blocks: Sequence[str]) -> str:
    """The block in which all of a group lies; "" if there is none."""
    for block in blocks:
        if all(_kept(place.module, [block]) for place in group.places):
            return block
    return ""
