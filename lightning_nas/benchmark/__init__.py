"""Measurements of the library's own speed and memory, always against a reference in the same process."""

from lightning_nas.benchmark.base import Benchmark
from lightning_nas.benchmark.gradient import GradientSearchBenchmark
from lightning_nas.benchmark.nasbench201 import NasBench201Benchmark
from lightning_nas.benchmark.nasbench_macro import NasBenchMacroBenchmark
from lightning_nas.benchmark.supernet import Device, SupernetBenchmark
from lightning_nas.benchmark.zero_cost import ZeroCostBenchmark

__all__ = [
    "Benchmark",
    "Device",
    "GradientSearchBenchmark",
    "NasBench201Benchmark",
    "NasBenchMacroBenchmark",
    "SupernetBenchmark",
    "ZeroCostBenchmark",
]
