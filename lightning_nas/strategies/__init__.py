"""Strategies: how to choose."""

from lightning_nas.strategies.blackbox import (
    ArchitectureSampler,
    Bananas,
    BayesianOptimization,
    LocalSearch,
    Ppo,
    QLearning,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    ReinforceLstm,
)
from lightning_nas.strategies.gradient import Darts, Gas, Gdas, GradientStrategy
from lightning_nas.strategies.paths import Elastic, Enas, Evolution, PathStrategy, Rsps, SinglePath, UniformPaths

__all__ = [
    "ArchitectureSampler",
    "Bananas",
    "BayesianOptimization",
    "Darts",
    "Elastic",
    "Enas",
    "Evolution",
    "Gas",
    "Gdas",
    "GradientStrategy",
    "LocalSearch",
    "PathStrategy",
    "Ppo",
    "QLearning",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "ReinforceLstm",
    "Rsps",
    "SinglePath",
    "UniformPaths",
]
