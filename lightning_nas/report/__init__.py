"""Reports of runs and of sweeps."""

from lightning_nas.report.page import build
from lightning_nas.report.reading import ReportError

__all__ = ["ReportError", "build"]
