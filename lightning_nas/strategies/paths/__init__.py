"""Strategies that sample paths of one supernet."""

from lightning_nas.strategies.paths.base import PathStrategy, UniformPaths
from lightning_nas.strategies.paths.controller import Controller
from lightning_nas.strategies.paths.elastic import Elastic
from lightning_nas.strategies.paths.enas import Enas
from lightning_nas.strategies.paths.evolution import Evolution
from lightning_nas.strategies.paths.front import FrontSearch, Measured
from lightning_nas.strategies.paths.rsps import Rsps
from lightning_nas.strategies.paths.shortlist import Shortlist
from lightning_nas.strategies.paths.single_path import SinglePath

__all__ = [
    "Controller",
    "Elastic",
    "Enas",
    "Evolution",
    "FrontSearch",
    "Measured",
    "PathStrategy",
    "Rsps",
    "Shortlist",
    "SinglePath",
    "UniformPaths",
]
