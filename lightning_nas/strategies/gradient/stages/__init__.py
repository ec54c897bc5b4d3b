"""Stages: a search as several, one after the other."""

from lightning_nas.strategies.gradient.stages.progressive import Masks, Progressive

__all__ = ["Masks", "Progressive"]
