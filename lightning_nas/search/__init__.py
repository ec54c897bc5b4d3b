"""The search: SearchModule, the two halves of the data, callbacks."""

from lightning_nas.errors import JobError
from lightning_nas.runs.settings import SupernetSettings, TrialsSettings
from lightning_nas.search.callbacks import (
    ArchitectureHistory,
    DropPathSchedule,
    FreezeLogits,
    SeedBatches,
    TemperatureSchedule,
)
from lightning_nas.search.controller_phase import ControllerPhase
from lightning_nas.search.data import BilevelDataModule, WeightsHalf
from lightning_nas.search.evaluators import (
    OneShotEvaluator,
    Prefilter,
    TableEvaluator,
    TrainEvaluator,
    ZeroCostEvaluator,
)
from lightning_nas.search.job import Job, Pretraining
from lightning_nas.search.module import SearchModule
from lightning_nas.search.paths import SampledPaths
from lightning_nas.search.procedures import run
from lightning_nas.search.recalibration import recalibrate
from lightning_nas.search.screening import ScreeningData
from lightning_nas.search.trainers import Trainers

__all__ = [
    "ArchitectureHistory",
    "BilevelDataModule",
    "ControllerPhase",
    "DropPathSchedule",
    "FreezeLogits",
    "Job",
    "JobError",
    "OneShotEvaluator",
    "Prefilter",
    "Pretraining",
    "SampledPaths",
    "ScreeningData",
    "SearchModule",
    "SeedBatches",
    "SupernetSettings",
    "TableEvaluator",
    "TemperatureSchedule",
    "TrainEvaluator",
    "Trainers",
    "TrialsSettings",
    "WeightsHalf",
    "ZeroCostEvaluator",
    "recalibrate",
    "run",
]
