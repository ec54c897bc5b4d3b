"""A classifier of one convolution, and a Trainer for it."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.spaces import Backbone, FeatureInfo, FeatureLevel
from lightning_nas.tasks.classification import ClassificationTask


class Tiny(Backbone):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3)
        self.feature_info = FeatureInfo((FeatureLevel(channels, 1),))
        self.auxiliary_info = None

    def forward_auxiliary(self, x):
        return [self.conv(x).relu()], None


def trainer(folder, **arguments) -> pl.Trainer:
    plain = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "logger": False}
    return pl.Trainer(default_root_dir=folder, **{**plain, **arguments})


def table_task(scores) -> ClassificationTask:
    """Class scores that depend on the brightness of the image alone."""
    task = ClassificationTask(Tiny(), scores.shape[1])
    object.__setattr__(task, "forward", lambda x: scores[x[:, 0, 0, 0].long()])
    return task


def sorted_images(count: int, labels) -> DataLoader:
    images = torch.arange(count).float()[:, None, None, None].expand(-1, 1, 8, 8)
    return DataLoader(TensorDataset(images, torch.as_tensor(labels)), batch_size=count // 5)
