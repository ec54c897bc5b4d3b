"""The size of the network."""

from __future__ import annotations

from typing import ClassVar

from lightning_nas.cost import count_parameters
from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore


class Params(ZeroCostScore):
    """The number of parameters: the baseline that every other score has to beat."""

    name: ClassVar[str] = "params"
    data_free: ClassVar[bool] = True

    def compute(self, probe: Probe) -> float:
        """All of the model's parameters, those of its head too."""
        return count_parameters(probe.model)
