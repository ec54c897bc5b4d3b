"""Images with masks: layouts on disk, checks, random steps, generated streets."""

from lightning_nas.tasks.segmentation.data.cityscapes import CityscapesDataModule
from lightning_nas.tasks.segmentation.data.masks import MasksDataModule
from lightning_nas.tasks.segmentation.data.streets import StreetsDataModule

__all__ = ["CityscapesDataModule", "MasksDataModule", "StreetsDataModule"]
