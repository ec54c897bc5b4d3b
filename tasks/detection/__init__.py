"""Object detection."""

from lightning_nas.tasks.detection.data import CocoDataModule
from lightning_nas.tasks.detection.data_shapes import ShapesDataModule
from lightning_nas.tasks.detection.module import DetectionTask

__all__ = ["CocoDataModule", "DetectionTask", "ShapesDataModule"]
