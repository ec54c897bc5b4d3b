"""Terms of the logits' loss."""

from lightning_nas.strategies.gradient.terms.base import Term
from lightning_nas.strategies.gradient.terms.beta_decay import BetaDecay
from lightning_nas.strategies.gradient.terms.cell_latency import CellLatency
from lightning_nas.strategies.gradient.terms.cost import Cost, Latency, Macs, Params
from lightning_nas.strategies.gradient.terms.distance import Distance
from lightning_nas.strategies.gradient.terms.zero_one import ZeroOne

__all__ = ["BetaDecay", "CellLatency", "Cost", "Distance", "Latency", "Macs", "Params", "Term", "ZeroOne"]
