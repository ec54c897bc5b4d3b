"""What the tasks share: reading images, random steps on them, loaders that a resumed run repeats."""

from lightning_nas.tasks.images.datamodule import ImageDataModule
from lightning_nas.tasks.images.pipeline import IMAGENET_MEAN, IMAGENET_STD, A, Pipeline, ToTensorV2
from lightning_nas.tasks.images.reading import read_rgb

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "A", "ImageDataModule", "Pipeline", "ToTensorV2", "read_rgb"]
