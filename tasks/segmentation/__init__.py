"""Semantic segmentation."""

from lightning_nas.tasks.segmentation.data import CityscapesDataModule, MasksDataModule, StreetsDataModule
from lightning_nas.tasks.segmentation.module import SegmentationTask

__all__ = ["CityscapesDataModule", "MasksDataModule", "SegmentationTask", "StreetsDataModule"]
