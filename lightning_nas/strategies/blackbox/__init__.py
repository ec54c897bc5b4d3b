"""Black-box strategies: Optuna samplers that propose whole architectures."""

from lightning_nas.strategies.blackbox.bananas import Bananas
from lightning_nas.strategies.blackbox.base import RETRIES, ArchitectureSampler, Told
from lightning_nas.strategies.blackbox.bayesian_optimization import BayesianOptimization
from lightning_nas.strategies.blackbox.local_search import LocalSearch
from lightning_nas.strategies.blackbox.parameters import choices_of, parameters_of, suggest
from lightning_nas.strategies.blackbox.ppo import Ppo
from lightning_nas.strategies.blackbox.q_learning import QLearning
from lightning_nas.strategies.blackbox.random_search import RandomSearch
from lightning_nas.strategies.blackbox.regularized_evolution import RegularizedEvolution
from lightning_nas.strategies.blackbox.reinforce import Reinforce
from lightning_nas.strategies.blackbox.reinforce_lstm import ReinforceLstm

__all__ = [
    "RETRIES",
    "ArchitectureSampler",
    "Bananas",
    "BayesianOptimization",
    "LocalSearch",
    "Ppo",
    "QLearning",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "ReinforceLstm",
    "Told",
    "choices_of",
    "parameters_of",
    "suggest",
]
