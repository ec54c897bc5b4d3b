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
from lightning_nas.strategies.gradient import Darts, GradientStrategy
from lightning_nas.strategies.paths import Elastic, Enas, Evolution, PathStrategy, Rsps, SinglePath, UniformPaths

__all__ = [
    "ArchitectureSampler",
    "Bananas",
    "BayesianOptimization",
    "Darts",
    "Elastic",
    "Enas",
    "Evolution",
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
