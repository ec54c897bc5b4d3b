"""The doctor of gradient searches: signs of collapse in a history, since when, and what to do."""

from lightning_nas.search.doctor.diagnosis import NOTHING_TO_DO, RULES, Diagnosis, diagnose
from lightning_nas.search.doctor.remedies import Remedies
from lightning_nas.search.doctor.signs import Signs

__all__ = ["NOTHING_TO_DO", "RULES", "Diagnosis", "Remedies", "Signs", "diagnose"]
