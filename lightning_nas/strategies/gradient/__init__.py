"""Gradient strategies."""

from lightning_nas.strategies.gradient.darts import Darts
from lightning_nas.strategies.gradient.gdas import Gdas

__all__ = ["Darts", "Gdas"]
