"""Strategies that sample paths of one supernet."""

from lightning_nas.strategies.sampling.controller import Controller
from lightning_nas.strategies.sampling.enas import Enas
from lightning_nas.strategies.sampling.evolution import Evolution
from lightning_nas.strategies.sampling.rsps import Rsps
from lightning_nas.strategies.sampling.shortlist import Shortlist
from lightning_nas.strategies.sampling.single_path import SinglePath

__all__ = ["Controller", "Enas", "Evolution", "Rsps", "Shortlist", "SinglePath"]
