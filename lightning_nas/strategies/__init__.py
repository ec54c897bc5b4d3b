"""Strategies: how to choose."""

from lightning_nas.strategies.base import Strategy
from lightning_nas.strategies.blackbox import ArchitectureSampler, LocalSearch, RandomSearch, RegularizedEvolution
from lightning_nas.strategies.gradient import Darts, Gas, Gdas
from lightning_nas.strategies.sampling import Evolution, SinglePath

__all__ = [
    "ArchitectureSampler",
    "Darts",
    "Evolution",
    "Gas",
    "Gdas",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "SinglePath",
    "Strategy",
]
