"""Samplers: from logits to the weights of the options in one forward pass."""

from lightning_nas.strategies.gradient.samplers.base import Annealed, Sampler
from lightning_nas.strategies.gradient.samplers.dirichlet import Dirichlet
from lightning_nas.strategies.gradient.samplers.gumbel import GumbelHard, GumbelSoft
from lightning_nas.strategies.gradient.samplers.sigmoid import Sigmoid
from lightning_nas.strategies.gradient.samplers.softmax import Softmax
from lightning_nas.strategies.gradient.samplers.two_paths import TwoPaths

__all__ = ["Annealed", "Dirichlet", "GumbelHard", "GumbelSoft", "Sampler", "Sigmoid", "Softmax", "TwoPaths"]
