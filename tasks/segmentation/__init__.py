"""Semantic segmentation."""

from lightning_nas.tasks.segmentation.module import SegmentationTask

__all__ = ["SegmentationTask"]
