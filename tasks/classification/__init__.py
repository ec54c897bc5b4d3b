"""Image classification."""

from lightning_nas.tasks.classification.data_digits import DigitsDataModule
from lightning_nas.tasks.classification.module import ClassificationTask

__all__ = ["ClassificationTask", "DigitsDataModule"]
