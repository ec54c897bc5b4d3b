"""The search: SearchModule, the two halves of the data, callbacks."""

from lightning_nas.errors import JobError
from lightning_nas.runs.settings import SupernetSettings, TrialsSettings
from lightning_nas.search.data.bilevel import BilevelDataModule, WeightsHalf
from lightning_nas.search.data.screening import ScreeningData
from lightning_nas.search.gradient.module import SearchModule
from lightning_nas.search.job import Job, Pretraining
from lightning_nas.search.lightning.callbacks import (
    ArchitectureHistory,
    DropPathSchedule,
    FreezeLogits,
    SeedBatches,
)
from lightning_nas.search.lightning.judging import BestCheckpoint, StopWithoutRise
from lightning_nas.search.lightning.trainers import Trainers
from lightning_nas.search.paths.controller_phase import ControllerPhase
from lightning_nas.search.paths.elastic_module import ElasticModule
from lightning_nas.search.paths.recalibration import recalibrate
from lightning_nas.search.paths.sampled import SampledPaths
from lightning_nas.search.procedures import run
from lightning_nas.search.trials.evaluators import (
    OneShotEvaluator,
    Prefilter,
    TableEvaluator,
    TrainEvaluator,
    ZeroCostEvaluator,
)

__all__ = [
    "ArchitectureHistory",
    "BestCheckpoint",
    "BilevelDataModule",
    "ControllerPhase",
    "DropPathSchedule",
    "ElasticModule",
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
    "StopWithoutRise",
    "SupernetSettings",
    "TableEvaluator",
    "TrainEvaluator",
    "Trainers",
    "TrialsSettings",
    "WeightsHalf",
    "ZeroCostEvaluator",
    "recalibrate",
    "run",
]
