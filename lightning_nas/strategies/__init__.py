"""Strategies: how to choose."""

from lightning_nas.strategies.base import Strategy
from lightning_nas.strategies.gradient import Darts, Gas, Gdas
from lightning_nas.strategies.random import Random
from lightning_nas.strategies.sampling import Evolution, SinglePath

__all__ = ["Darts", "Evolution", "Gas", "Gdas", "Random", "SinglePath", "Strategy"]
