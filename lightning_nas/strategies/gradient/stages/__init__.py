"""Stages: a search as several, one after the other."""

from lightning_nas.strategies.gradient.stages.base import Masks, Span, Stages
from lightning_nas.strategies.gradient.stages.progressive import Progressive
from lightning_nas.strategies.gradient.stages.widening import Widening

__all__ = ["Masks", "Progressive", "Span", "Stages", "Widening"]
