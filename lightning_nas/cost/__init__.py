"""What a network costs: parameters, multiply-adds, measured latency."""

from lightning_nas.cost.latency import Latency, measure_latency
from lightning_nas.cost.latency_table import LatencyTable, OpKey
from lightning_nas.cost.macs import count_macs
from lightning_nas.cost.parameters import count_parameters

__all__ = ["Latency", "LatencyTable", "OpKey", "count_macs", "count_parameters", "measure_latency"]
