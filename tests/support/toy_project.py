"""A project that knows nothing of search, small enough to be searched within a test, in both packages of Lightning."""

import functools
import importlib
from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.spaces import Darts

OPS = ("none", "skip_connect", "nor_conv_1x1")
SPACE = Darts(channels=2, cells=1, in_channels=1, ops=OPS, steps=1)
TWO_NODES = Darts(channels=2, cells=1, in_channels=1, ops=OPS, steps=2)
"""For strategies that draw one operation per edge: of two edges both may be ``none``, and nothing would be learnt."""

FAMILIES = ("pytorch_lightning", "lightning.pytorch")
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


@functools.cache
def project_of(family):
    """The project as written with one package: ``pl``, ``Project``, ``Data``, ``make_trainer``."""
    pl = importlib.import_module(family)

    class Project(pl.LightningModule):
        def __init__(self, space=SPACE, *, batch_norm=True, dropout=0.0):
            super().__init__()
            torch.manual_seed(0)
            self.backbone = space.supernet()
            self.head = nn.Linear(self.backbone.feature_info.channels()[-1], 3)
            self.batch_norm, self.dropout = batch_norm, nn.Dropout(dropout)

        def forward(self, images):
            return self.head(self.dropout(self.backbone(images)[-1].mean((2, 3))))

        def training_step(self, batch, batch_idx):
            if not self.batch_norm:  # statistics of a batch differ between one process and two
                for module in self.modules():
                    if isinstance(module, nn.BatchNorm2d):
                        module.eval()
            images, labels = batch
            loss = nn.functional.cross_entropy(self(images), labels)
            self.log("train/loss", loss, on_epoch=True)
            return loss

        def validation_step(self, batch, batch_idx):
            images, labels = batch
            logits = self(images)
            self.log("val/loss", nn.functional.cross_entropy(logits, labels))
            return logits

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)

    class Data(pl.LightningDataModule):
        def __init__(self, batch_size=8):
            super().__init__()
            self.batch_size = batch_size

        def _loader(self, **arguments):
            return DataLoader(dataset(), batch_size=self.batch_size, **arguments)

        def train_dataloader(self):
            return self._loader(shuffle=True)

    def make_trainer(epochs=1, **arguments):
        settings = {"max_epochs": epochs, "accelerator": "cpu", "num_sanity_val_steps": 0, **QUIET, **arguments}
        return pl.Trainer(**settings)

    return SimpleNamespace(pl=pl, Project=Project, Data=Data, make_trainer=make_trainer)


def dataset(count=48):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 6, 6, generator=generator)
    return TensorDataset(images, torch.randint(3, (count,), generator=generator))


def flat(model):
    return torch.cat([value.detach().flatten().double() for value in model.parameters()])
