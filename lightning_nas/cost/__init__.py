"""What a network costs: parameters, multiply-adds, measured latency."""

from lightning_nas.cost.additive import AdditiveLatency
from lightning_nas.cost.exported import export_onnx, exported_latency
from lightning_nas.cost.latency import Latency, latency_of_call, measure_latency
from lightning_nas.cost.latency_table import LatencyTable, OpKey
from lightning_nas.cost.macs import count_macs, macs_of_call
from lightning_nas.cost.network import Cost, cost_of_call
from lightning_nas.cost.parameters import count_parameters
from lightning_nas.cost.probe import Call

__all__ = [
    "AdditiveLatency",
    "Call",
    "Cost",
    "Latency",
    "LatencyTable",
    "OpKey",
    "cost_of_call",
    "count_macs",
    "count_parameters",
    "export_onnx",
    "exported_latency",
    "latency_of_call",
    "macs_of_call",
    "measure_latency",
]
