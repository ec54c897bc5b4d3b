"""Semantic segmentation."""

from lightning_nas.tasks.segmentation.data_cityscapes import CityscapesDataModule
from lightning_nas.tasks.segmentation.data_masks import MasksDataModule
from lightning_nas.tasks.segmentation.data_streets import StreetsDataModule
from lightning_nas.tasks.segmentation.module import SegmentationTask

__all__ = ["CityscapesDataModule", "MasksDataModule", "SegmentationTask", "StreetsDataModule"]
