"""A classifier on a supernet and its data, small enough for a search on paths within a test."""

import pytorch_lightning as pl
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.spaces import NasBench201

SPACE = NasBench201(channels=2, cells=1, in_channels=1, nodes=3)


class Task(pl.LightningModule):
    """Notes the path of every training batch and which images it has seen; the first pixel of an image is its number."""

    headline = "accuracy"

    def __init__(self, space=SPACE):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = space.supernet()
        self.head = nn.Linear(self.backbone.feature_info.channels()[-1], 3)
        self.dropout = nn.Dropout(0.2)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(3, average="micro")
        self.paths, self.batches, self.trained_on, self.judged_on = [], [], set(), set()

    def forward(self, images):
        return self.head(self.dropout(self.backbone(images)[-1].mean((2, 3))))

    def training_step(self, batch, batch_idx):
        self.paths.append(self.backbone._path)
        self.batches.append(set(batch[0][:, 0, 0, 0].tolist()))
        self.trained_on |= self.batches[-1]
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.judged_on |= set(batch[0][:, 0, 0, 0].tolist())
        logits = self(batch[0])
        self.accuracy.update(logits, batch[1])
        self.log("val/loss", nn.functional.cross_entropy(logits.float(), batch[1]))
        self.log_dict({"val/accuracy": self.accuracy})

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)


class Data(pl.LightningDataModule):
    """48 images to train on, 24 to validate on, which are sorted by class."""

    def __init__(self, batch_size=4):
        super().__init__()
        self.batch_size = batch_size

    def _dataset(self, count, first, labels):
        generator = torch.Generator().manual_seed(first)
        images = torch.randn(count, 1, 8, 8, generator=generator)
        images[:, 0, 4:, 4:] += labels.view(-1, 1, 1).float()
        images[:, 0, 0, 0] = torch.arange(first, first + count)
        return TensorDataset(images, labels)

    def train_dataloader(self):
        labels = torch.randint(3, (48,), generator=torch.Generator().manual_seed(0))
        return DataLoader(self._dataset(48, 0, labels), self.batch_size, shuffle=True)

    def val_dataloader(self):
        dataset = self._dataset(24, 1000, torch.arange(3).repeat_interleave(8))
        return DataLoader(
            dataset, self.batch_size, generator=torch.Generator()
        )  # a resumed Trainer asks for it once more


def make_trainer(epochs=1, **arguments):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**{"max_epochs": epochs, "accelerator": "cpu", "num_sanity_val_steps": 0, **quiet, **arguments})
