"""What runs leave on disk."""

from lightning_nas.runs.folder import RunFolder
from lightning_nas.runs.sweep import SweepFolder

__all__ = ["RunFolder", "SweepFolder"]
