"""Black-box strategies: Optuna samplers that propose whole architectures."""

from lightning_nas.strategies.blackbox.base import RETRIES, ArchitectureSampler, Told
from lightning_nas.strategies.blackbox.local_search import LocalSearch
from lightning_nas.strategies.blackbox.parameters import choices_of, parameters_of, suggest
from lightning_nas.strategies.blackbox.random_search import RandomSearch
from lightning_nas.strategies.blackbox.regularized_evolution import RegularizedEvolution

__all__ = [
    "RETRIES",
    "ArchitectureSampler",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Told",
    "choices_of",
    "parameters_of",
    "suggest",
]
