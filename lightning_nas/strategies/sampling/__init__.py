"""Strategies that sample paths of one supernet."""

from lightning_nas.strategies.sampling.evolution import Evolution
from lightning_nas.strategies.sampling.single_path import SinglePath

__all__ = ["Evolution", "SinglePath"]
