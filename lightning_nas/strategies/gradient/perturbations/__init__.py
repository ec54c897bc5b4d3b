"""Perturbations: disturbed weights of the options while the network's own weights learn."""

from lightning_nas.strategies.gradient.perturbations.adversarial import Adversarial
from lightning_nas.strategies.gradient.perturbations.base import Perturbation
from lightning_nas.strategies.gradient.perturbations.random_smoothing import RandomSmoothing

__all__ = ["Adversarial", "Perturbation", "RandomSmoothing"]
