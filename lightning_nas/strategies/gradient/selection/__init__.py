"""Selections: from the strengths of the options to an architecture."""

from lightning_nas.strategies.gradient.selection.argmax import Argmax
from lightning_nas.strategies.gradient.selection.base import Selection
from lightning_nas.strategies.gradient.selection.removal import Question, Removal
from lightning_nas.strategies.gradient.selection.threshold import Threshold

__all__ = ["Argmax", "Question", "Removal", "Selection", "Threshold"]
