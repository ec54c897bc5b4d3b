"""Evaluators: how good one architecture is."""

from lightning_nas.search.trials.evaluators.base import COSTS, WithCosts, cost_objective
from lightning_nas.search.trials.evaluators.one_shot import OneShotEvaluator
from lightning_nas.search.trials.evaluators.table import ResultTable, TableEvaluator
from lightning_nas.search.trials.evaluators.train import TrainEvaluator
from lightning_nas.search.trials.evaluators.zero_cost import Prefilter, ZeroCostEvaluator

__all__ = [
    "COSTS",
    "OneShotEvaluator",
    "Prefilter",
    "ResultTable",
    "TableEvaluator",
    "TrainEvaluator",
    "WithCosts",
    "ZeroCostEvaluator",
    "cost_objective",
]
