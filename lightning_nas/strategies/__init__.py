"""Strategies: how to choose."""

from lightning_nas.strategies.base import Strategy
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
from lightning_nas.strategies.gradient import Darts, Gas, Gdas
from lightning_nas.strategies.sampling import Enas, Evolution, Rsps, SinglePath

__all__ = [
    "ArchitectureSampler",
    "Bananas",
    "BayesianOptimization",
    "Darts",
    "Enas",
    "Evolution",
    "Gas",
    "Gdas",
    "LocalSearch",
    "Ppo",
    "QLearning",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "ReinforceLstm",
    "Rsps",
    "SinglePath",
    "Strategy",
]
