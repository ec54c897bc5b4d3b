"""Training-free scores of networks. A file in this folder that defines a ``ZeroCostScore`` is found by itself."""

import importlib
import pkgutil

from lightning_nas.strategies.zero_cost.base import Probe, ZeroCostScore, build_score, score_names
from lightning_nas.strategies.zero_cost.classifier import probe_classifier
from lightning_nas.strategies.zero_cost.state import undisturbed
from lightning_nas.strategies.zero_cost.vote import VOTERS, vote

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "VOTERS",
    "Probe",
    "ZeroCostScore",
    "build_score",
    "probe_classifier",
    "score_names",
    "undisturbed",
    "vote",
]
