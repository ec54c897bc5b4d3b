"""The search: SearchModule, the two halves of the data, callbacks."""

from lightning_nas.search.callbacks import (
    ArchitectureHistory,
    DropPathSchedule,
    FreezeLogits,
    SeedBatches,
    TemperatureSchedule,
)
from lightning_nas.search.data import BilevelDataModule
from lightning_nas.search.evaluators import (
    OneShotEvaluator,
    Prefilter,
    TableEvaluator,
    TrainEvaluator,
    ZeroCostEvaluator,
)
from lightning_nas.search.module import SearchModule
from lightning_nas.search.paths import SampledPaths
from lightning_nas.search.recalibration import recalibrate

__all__ = [
    "ArchitectureHistory",
    "BilevelDataModule",
    "DropPathSchedule",
    "FreezeLogits",
    "OneShotEvaluator",
    "Prefilter",
    "SampledPaths",
    "SearchModule",
    "SeedBatches",
    "TableEvaluator",
    "TemperatureSchedule",
    "TrainEvaluator",
    "ZeroCostEvaluator",
    "recalibrate",
]
