"""What runs leave on disk."""

from lightning_nas.runs.folder import RunFolder
from lightning_nas.runs.model import ModelFolder
from lightning_nas.runs.sweep import SweepFolder

__all__ = ["ModelFolder", "RunFolder", "SweepFolder"]
