"""The work of the network."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lightning_nas.cost import count_macs
from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore


class Macs(ZeroCostScore):
    """Multiply-adds of the whole network for one image of the probe's size, "FLOPs" in most papers: a baseline."""

    name: ClassVar[str] = "macs"
    data_free: ClassVar[bool] = True
    training: ClassVar[bool] = False

    def compute(self, probe: Probe) -> float:
        """One forward pass for one image."""
        return count_macs(_Whole(probe), tuple(probe.images.shape[1:]))


class _Whole(nn.Module):
    """The way from images to all that the network says as a module."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.model, self.network = probe.model, probe.network or probe.outputs

    def forward(self, x: Tensor) -> Any:
        return self.network(x)
