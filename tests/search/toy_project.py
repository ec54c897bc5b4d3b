"""A project that knows nothing of search, small enough to be searched within a test."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.spaces import Darts as Space

OPS = ("none", "skip_connect", "nor_conv_1x1")


class Project(pl.LightningModule):
    def __init__(self, *, batch_norm=True, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = Space(channels=2, cells=1, in_channels=1, ops=OPS, steps=2).supernet()
        self.head = nn.Linear(self.backbone.feature_info.channels()[-1], 3)
        self.batch_norm, self.dropout = batch_norm, nn.Dropout(dropout)

    def training_step(self, batch, batch_idx):
        if not self.batch_norm:  # statistics of a batch differ between one process and two
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        images, labels = batch
        features = self.dropout(self.backbone(images)[-1].mean((2, 3)))
        loss = nn.functional.cross_entropy(self.head(features), labels)
        self.log("train/loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val/loss", nn.functional.cross_entropy(self.head(self.backbone(images)[-1].mean((2, 3))), labels))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)


class Data(pl.LightningDataModule):
    def __init__(self, batch_size=8):
        super().__init__()
        self.batch_size = batch_size

    def _loader(self, **arguments):
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(48, 1, 6, 6, generator=generator)
        labels = torch.randint(3, (48,), generator=generator)
        return DataLoader(TensorDataset(images, labels), batch_size=self.batch_size, **arguments)

    def train_dataloader(self):
        return self._loader(shuffle=True)


def make_trainer(epochs=1, **arguments):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**{"max_epochs": epochs, "accelerator": "cpu", "num_sanity_val_steps": 0, **quiet, **arguments})


def flat(model):
    return torch.cat([value.detach().flatten().double() for value in model.parameters()])
