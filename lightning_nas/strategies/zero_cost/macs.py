"""The work of the network."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from lightning_nas.cost import count_macs
from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore


class Macs(ZeroCostScore):
    """Multiply-adds of the outputs for one image of the probe's size, called "FLOPs" in most papers: a baseline."""

    name: ClassVar[str] = "macs"
    data_free: ClassVar[bool] = True
    training: ClassVar[bool] = False

    def compute(self, probe: Probe) -> float:
        """One forward pass for one image."""
        return count_macs(_Outputs(probe), tuple(probe.images.shape[1:]))


class _Outputs(nn.Module):
    """The way from images to outputs as a module."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.model, self.outputs = probe.model, probe.outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(x)
