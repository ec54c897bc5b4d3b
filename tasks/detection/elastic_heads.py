"""Heads of detectors of which the first channels and the first convolutions can be active."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lightning_nas.networks.normalization import fitting_groups
from lightning_nas.ops.layers.elastic_conversion import make_elastic, set_width
from lightning_nas.spaces import Supernet
from lightning_nas.spaces.heads.network import HeadPart
from lightning_nas.spaces.necks.neck import NarrowableNeck


class ElasticTower(nn.Sequential):
    """A tower that is as wide as the map that it reads and as long as the active choice says.

    Args:
        tower: Convolutions, each with what follows it.
        modules: Entries of the tower per convolution.
        part: Says how many convolutions there are; None: all.
    """

    def __init__(self, tower: nn.Sequential, modules: int, part: HeadPart | None) -> None:
        super().__init__(*tower)
        self.per_conv = modules
        self._part = () if part is None else (part,)  # its owner is the network

    def forward(self, x: Tensor) -> Tensor:
        """``(B, c, H, W) -> (B, c, H, W)``."""
        set_width(self, x.shape[1])
        active = len(self)
        for part in self._part:
            active = part.numbers["convs"] * self.per_conv
        for module in list(self)[:active]:
            x = module(x)
        return x


def make_head_elastic(head: nn.Module, part: HeadPart | None) -> None:
    """Makes towers follow what is active, and what is behind them read fewer channels; in place, names stay the same.

    Args:
        head: Of a detector of torchvision; its towers are called ``conv``.
        part: Says how many convolutions a tower has; None: all.
    """
    make_elastic(head)
    for module in list(head.modules()):
        tower = getattr(module, "conv", None)
        if isinstance(tower, nn.Sequential):
            single = sum(isinstance(entry, nn.Conv2d) for entry in tower) or len(tower)
            module.conv = ElasticTower(tower, len(tower) // single, part)


def is_sliced(network: nn.Module, part: HeadPart | None) -> bool:
    """Whether the head of a task must follow what is active in a supernet; makes its neck give narrow maps then."""
    necks = [module for module in network.modules() if isinstance(module, NarrowableNeck)]
    for neck in necks:
        neck.widens = False
    return bool(necks) or isinstance(part, Supernet)


def head_groups(network: nn.Module, channels: int) -> int:
    """Groups of the norms in a head behind a neck: of a neck that is a slice, those that the largest one's has for them."""
    full: Any = next((m.full_channels for m in network.modules() if hasattr(m, "full_channels")), channels)
    return channels // (full // fitting_groups(full))
