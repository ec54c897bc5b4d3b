"""Reports of runs and of sweeps."""

from lightning_nas.errors import ReportError
from lightning_nas.report.page import build

__all__ = ["ReportError", "build"]
