"""Measurements of the library's own speed and memory, always against a reference in the same process."""

from lightning_nas.benchmark.supernet import Device, SupernetBenchmark

__all__ = ["Device", "SupernetBenchmark"]
