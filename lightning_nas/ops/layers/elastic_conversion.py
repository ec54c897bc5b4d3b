"""Ordinary modules made elastic in place: the same parameters under the same names, in layers that can be sliced."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticGroupNorm, ElasticLinear


def make_elastic(module: nn.Module) -> None:
    """Replaces the convolutions, norms and linear layers inside a module by elastic ones with the same parameters.

    Subclasses of torch's layers stay as they are, except those that differ only in what they accept.

    Raises:
        ValueError: If a convolution is grouped and not depthwise.

    Example:
        >>> tower = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        >>> make_elastic(tower)
        >>> set_width(tower, 4)
        >>> tuple(tower(torch.zeros(1, 2, 5, 5)).shape)
        (1, 4, 5, 5)
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            elastic = _elastic(child)
            if elastic is not None:
                setattr(parent, name, elastic.train(child.training))


def set_width(module: nn.Module, channels: int) -> None:
    """Makes every convolution inside give so many channels; depthwise ones and norms follow what they read."""
    for layer in module.modules():
        if isinstance(layer, ElasticConv2d) and not layer.depthwise:
            layer.active_out = channels


class FirstModules(nn.ModuleList):
    """A list of modules of which iteration gives the first: a neck that repeats its layers repeats fewer.

    Attributes:
        active: How many.
    """

    def __init__(self, modules: nn.ModuleList) -> None:
        super().__init__(modules)
        self.active = len(modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return islice(super().__iter__(), self.active)


class JoinedConv2d(ElasticConv2d):
    """A convolution of maps that were concatenated, each of which may have fewer channels.

    Args:
        like: The plain convolution, whose parameters it takes.
        equal: Maps of one width, which come first and become narrower together.
        fixed: Channels of what comes behind them, all of which are always there.

    Example:
        >>> layer = JoinedConv2d(nn.Conv2d(2 * 8 + 4, 6, 1, bias=False), equal=2, fixed=4)
        >>> tuple(layer.kernel(1, 6, 2 * 3 + 4).shape)
        (6, 10, 1, 1)
    """

    def __init__(self, like: nn.Conv2d, *, equal: int, fixed: int = 0) -> None:
        super().__init__(**_arguments(like), device="meta")
        _adopt(self, like)
        self.equal, self.fixed = equal, fixed

    def kernel(self, size: int, out_channels: int, in_channels: int) -> Tensor:
        """The weight for narrower maps: the first channels of each, and the fixed ones."""
        width, most = ((channels - self.fixed) // self.equal for channels in (in_channels, self.in_channels))
        weight = self.weight[:out_channels]
        if width == most:
            return weight
        starts = [(index * most, width) for index in range(self.equal)] + [(self.equal * most, self.fixed)]
        return torch.cat([weight.narrow(1, start, length) for start, length in starts], dim=1)


def _elastic(layer: nn.Module) -> nn.Module | None:
    new: nn.Module
    if type(layer) is nn.Conv2d:
        if layer.groups > 1 and not layer.groups == layer.in_channels == layer.out_channels:
            raise ArgumentError(f"{layer}: a grouped convolution cannot be sliced")
        new = ElasticConv2d(**_arguments(layer), device="meta")
    elif type(layer) is nn.BatchNorm2d:
        new = ElasticBatchNorm2d(
            layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats, device="meta"
        )
    elif type(layer) is nn.GroupNorm:
        new = ElasticGroupNorm(layer.num_groups, layer.num_channels, layer.eps, layer.affine, device="meta")
    elif type(layer) is nn.Linear:
        new = ElasticLinear(layer.in_features, layer.out_features, layer.bias is not None)
    else:
        return None
    _adopt(new, layer)
    return new


def _arguments(conv: nn.Conv2d) -> dict[str, Any]:
    return {
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        "kernel_size": conv.kernel_size[0],
        "stride": conv.stride,
        "padding": conv.padding,
        "dilation": conv.dilation,
        "groups": conv.groups,
        "bias": conv.bias is not None,
    }


def _adopt(new: nn.Module, old: nn.Module) -> None:
    """Makes the tensors of one layer those of another one."""
    for name, parameter in old.named_parameters(recurse=False):
        setattr(new, name, parameter)
    for name, buffer in old.named_buffers(recurse=False):
        setattr(new, name, buffer)
