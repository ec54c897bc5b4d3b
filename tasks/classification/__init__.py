"""Image classification."""

from lightning_nas.tasks.classification.data_cifar import Cifar10DataModule, Cifar100DataModule
from lightning_nas.tasks.classification.data_digits import DigitsDataModule
from lightning_nas.tasks.classification.data_imagefolder import ImageFolderDataModule
from lightning_nas.tasks.classification.data_imagenet import ImageNetDataModule
from lightning_nas.tasks.classification.module import ClassificationTask

__all__ = [
    "Cifar10DataModule",
    "Cifar100DataModule",
    "ClassificationTask",
    "DigitsDataModule",
    "ImageFolderDataModule",
    "ImageNetDataModule",
]
