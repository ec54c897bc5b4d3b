"""Gradient strategies."""

from lightning_nas.strategies.gradient.base import GradientStrategy
from lightning_nas.strategies.gradient.darts import Darts

__all__ = ["Darts", "GradientStrategy"]
