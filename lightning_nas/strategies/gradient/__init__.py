"""Gradient strategies."""

from lightning_nas.strategies.gradient.base import GradientStrategy
from lightning_nas.strategies.gradient.darts import Darts
from lightning_nas.strategies.gradient.gas import Gas
from lightning_nas.strategies.gradient.gdas import Gdas

__all__ = ["Darts", "Gas", "Gdas", "GradientStrategy"]
