"""The doctor of gradient searches: signs of collapse in a history, since when, and what to do."""

from lightning_nas.search.doctor.diagnosis import RULES, Diagnosis, diagnose
from lightning_nas.search.doctor.signs import Signs

__all__ = ["RULES", "Diagnosis", "Signs", "diagnose"]
