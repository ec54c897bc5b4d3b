"""What a network costs: parameters, multiply-adds, measured latency."""

from lightning_nas.cost.latency import Latency, measure_latency
from lightning_nas.cost.macs import count_macs
from lightning_nas.cost.parameters import count_parameters

__all__ = ["Latency", "count_macs", "count_parameters", "measure_latency"]
