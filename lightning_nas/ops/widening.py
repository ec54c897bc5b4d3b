"""Candidates with more channels, whose new channels are copies of old ones that are drawn at random.

A weight becomes ``U[o, i] = W[g(o), g(i)]``: ``g`` gives the first channels themselves, and for every new one any of them. What
writes channels and what reads them within a candidate share one ``g``, so a convolution and its BatchNorm, a depthwise
convolution and what comes before and after; each candidate's input has one of its own, as the new channels of an edge are no
copies.

Sources: Chen, Goodfellow, Shlens 2016, "Net2Net: Accelerating Learning via Knowledge Transfer", arXiv 1511.05641, section 2.2;
Chen et al. 2021, "DrNAS: Dirichlet Neural Architecture Search", arXiv 2006.10355, section 3.3. Other than in Net2Net, and as in
DrNAS, weights are not divided by the number of copies: an edge's input has none, and a BatchNorm follows every convolution. The
code of DrNAS draws anew for the second depthwise convolution of a ``sep_conv``, and gives the BatchNorm of a strided skip the
statistics of other channels; here both belong to the channels that they work on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.candidates.atrous import AtrousConv
from lightning_nas.ops.candidates.inverted_residual import InvertedResidual
from lightning_nas.ops.candidates.shuffle import ShuffleUnit
from lightning_nas.ops.layers.convolutions import FactorizedReduce
from lightning_nas.ops.mixed import Candidates

Draw = Callable[[int, int], Tensor]
"""Numbers of channels before and after -> for every channel after, which one it is or is a copy of, ``(after,)``."""

Indices = dict[str, tuple[Tensor | None, ...]]
"""Name of a tensor -> for its first dimensions, which channel each one is; None for a dimension that stays."""


@dataclass(frozen=True)
class Copy:
    """Where a tensor of a widened module comes from.

    Args:
        name: Of the tensor in the module before.
        indices: For its first dimensions, which channel each one is; None for a dimension that stays.

    Example:
        >>> Copy("norm.weight", (torch.tensor([0, 1, 0]),)).of(torch.tensor([5.0, 7.0]))
        tensor([5., 7., 5.])
    """

    name: str
    indices: tuple[Tensor | None, ...] = ()

    def of(self, tensor: Tensor) -> Tensor:
        """The widened tensor, of one of the shape that it had before."""
        for dimension, index in enumerate(self.indices):
            if index is not None:
                tensor = tensor.index_select(dimension, index.to(tensor.device))
        return tensor


def widened(old: nn.Module, new: nn.Module, generator: torch.Generator) -> dict[str, Copy]:
    """Where every tensor of a supernet comes from, whose candidates see more channels than before or are fewer.

    Args:
        old: The supernet before.
        new: The same one after: candidates that are out have no tensors.
        generator: Draws the copies, on the CPU.

    Returns:
        Name of a tensor there -> what it is made of here.

    Raises:
        ArgumentError: If a candidate cannot be widened so.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.gradient.adapters import PartialChannels
        >>> before, after = (NasBench201(channels=8, cells=1).supernet() for _ in range(2))
        >>> PartialChannels(parts=4).adapt(before)
        >>> PartialChannels(parts=2).adapt(after)
        >>> copies = widened(before, after, torch.Generator().manual_seed(0))
        >>> copies["macro.stages.0.0.edges.0.mixed.candidates.2.norm.running_mean"].indices[0].tolist()
        [0, 1, 1, 0]
    """

    def draw(before: int, after: int) -> Tensor:
        if not 1 <= before <= after:
            raise ArgumentError(f"{before} channels cannot become {after}")
        copies = torch.randint(before, (after - before,), generator=generator)
        return torch.cat([torch.arange(before), copies])

    found: dict[str, Copy] = {}
    for (name_before, before), (name, after) in zip(_edges(old), _edges(new), strict=True):
        same = (before.in_channels, before.channels) == (after.in_channels, after.channels)
        for option, candidate in enumerate(after.candidates):
            tensors = candidate.state_dict()
            indices = {} if same or not tensors else copied(candidate, before.candidates[option], None, draw)[0]
            for tensor in tensors:
                place = f".candidates.{option}.{tensor}"
                found[name + place] = Copy(name_before + place, indices.get(tensor, ()))
    given = old.state_dict()
    copies = {name: found.get(name, Copy(name)) for name in new.state_dict()}
    for name, tensor in new.state_dict().items():
        made = given.get(copies[name].name)
        if made is None or copies[name].of(made).shape != tensor.shape:
            raise ArgumentError(
                f"{name}: a tensor of the shape {tuple(tensor.shape)} does not follow from what was there"
            )
    return copies


def _edges(supernet: nn.Module) -> list[tuple[str, Candidates]]:
    return [(name, module) for name, module in supernet.named_modules() if isinstance(module, Candidates)]


@singledispatch
def copied(new: nn.Module, old: nn.Module, entering: Tensor | None, draw: Draw) -> tuple[Indices, Tensor | None]:
    """Which channels the tensors of a widened module are copies of; modules of other kinds are registered.

    Args:
        new: The module.
        old: What it was before.
        entering: Which channel each one of its input is or is a copy of; None for the input of a candidate.
        draw: Draws copies.

    Returns:
        That of its tensors by name, and of its output.

    Raises:
        ArgumentError: If it is not known how.
    """
    if new.state_dict():
        raise ArgumentError(
            f"the candidate {type(new).__name__} cannot be widened: say how with lightning_nas.ops.widening.copied.register"
        )
    return {}, entering


@copied.register
def _(new: nn.Conv2d, old: nn.Conv2d, entering: Tensor | None, draw: Draw) -> tuple[Indices, Tensor | None]:
    read = draw(old.in_channels, new.in_channels) if entering is None else entering
    depthwise = all(conv.groups == conv.in_channels == conv.out_channels for conv in (new, old))
    if depthwise:
        return {"weight": (read,), "bias": (read,)}, read
    if (new.groups, old.groups) != (1, 1):
        raise ArgumentError(f"a convolution of {old.groups} groups cannot be widened: expected 1, or one per channel")
    written = draw(old.out_channels, new.out_channels)
    return {"weight": (written, read), "bias": (written,)}, written


@copied.register
def _(new: _BatchNorm, old: _BatchNorm, entering: Tensor | None, draw: Draw) -> tuple[Indices, Tensor | None]:
    index = draw(old.num_features, new.num_features) if entering is None else entering
    return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (index,)), index


@copied.register(nn.Sequential)
@copied.register(InvertedResidual)
@copied.register(AtrousConv)
def in_sequence(new: nn.Module, old: nn.Module, entering: Tensor | None, draw: Draw) -> tuple[Indices, Tensor | None]:
    """Of a module whose children work one after the other, in the order in which they are named."""
    indices: Indices = {}
    for name, (after, before) in _children(new, old).items():
        own, entering = copied(after, before, entering, draw)
        indices |= {f"{name}.{tensor}": index for tensor, index in own.items()}
    return indices, entering


@copied.register(ShuffleUnit)
def side_by_side(new: nn.Module, old: nn.Module, entering: Tensor | None, draw: Draw) -> tuple[Indices, Tensor | None]:
    """Of a candidate whose children work beside each other, each on channels of its own."""
    indices: Indices = {}
    for name, (after, before) in _children(new, old).items():
        own, _ = copied(after, before, None, draw)
        indices |= {f"{name}.{tensor}": index for tensor, index in own.items()}
    return indices, None


@copied.register
def _(
    new: FactorizedReduce, old: FactorizedReduce, entering: Tensor | None, draw: Draw
) -> tuple[Indices, Tensor | None]:
    first, upper = copied(new.conv1, old.conv1, entering, draw)
    second, lower = copied(new.conv2, old.conv2, entering, draw)
    assert upper is not None
    assert lower is not None
    third, leaving = copied(new.norm, old.norm, torch.cat([upper, lower + old.conv1.out_channels]), draw)
    parts = {"conv1": first, "conv2": second, "norm": third}
    return {f"{name}.{tensor}": index for name, own in parts.items() for tensor, index in own.items()}, leaving


def _children(new: nn.Module, old: nn.Module) -> dict[str, tuple[nn.Module, nn.Module]]:
    after, before = dict(new.named_children()), dict(old.named_children())
    if list(after) != list(before):
        raise ArgumentError(
            f"the candidate {type(new).__name__} has other layers with more channels: it cannot be widened"
        )
    return {name: (module, before[name]) for name, module in after.items()}
