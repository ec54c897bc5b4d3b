"""Strategies: how to choose."""

from lightning_nas.strategies.base import Strategy
from lightning_nas.strategies.gradient import Darts, Gdas
from lightning_nas.strategies.random import Random

__all__ = ["Darts", "Gdas", "Random", "Strategy"]
