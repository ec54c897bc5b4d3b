"""What a command will take, before it runs: time, memory and disk, from a few steps of it."""

from lightning_nas.estimation.amounts import Estimate, Part
from lightning_nas.estimation.pace import Pace, measure

__all__ = ["Estimate", "Pace", "Part", "measure"]
